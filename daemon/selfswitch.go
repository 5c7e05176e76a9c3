package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/internal/buildinfo"
)

// selfRehearse lets the daemon go for the trial, and reads in the next one how
// that went.
func selfRehearse(ctx context.Context, op *operation) error {
	in, st, err := selfWork(op)
	if err != nil || st.Nothing {
		return err
	}
	state, err := launch.Read(op.h.o.Dir)
	if err != nil {
		return err
	}
	tries := 0
	if t := state.Trial; t != nil && t.Operation == op.record().ID {
		switch {
		case t.Outcome == launch.Passed:
			return nil
		case t.Outcome == launch.Failed:
			return selfRefused("version %s does not do; %s goes on: %s", st.To, buildinfo.Version(), t.Reason)
		case t.Tries >= maxTries:
			return op.h.failedSelf(st.Candidate, fmt.Sprintf("the daemon was ended %d times while it was tried", t.Tries))
		}
		tries = t.Tries
	}
	st.Order = op.h.order()
	if err := op.keep(ctx, st, ""); err != nil {
		return err
	}
	limit := time.Duration(in.LimitMs) * time.Millisecond
	if limit <= 0 {
		limit = defaultTrialLimit
	}
	err = launch.Change(op.h.o.Dir, func(s *launch.State) {
		s.Trial = &launch.Trial{Operation: op.record().ID, Candidate: st.Candidate, Tries: tries + 1, StartedAt: api.At(time.Now())}
	})
	if err != nil {
		return err
	}
	op.h.reached(kindUpgradeSelf + "/rehearse/noted")
	if !workersOutlive {
		return op.h.switchUntried(op, st)
	}
	return op.h.leaveFor(op, &LeftError{
		ComeBack: true, Reason: "upgrade to " + st.To,
		Rehearsal: &Rehearsal{Operation: op.record().ID, Candidate: st.Candidate, Order: st.Order, Limit: limit},
	})
}

// switchUntried pins a version where workers end with their daemon: to try it
// would be to start them all twice. It said what it is; should it end soon after
// its start again and again, the one before it is started instead.
func (h *host) switchUntried(op *operation, st selfState) error {
	over := h.o.Origin
	if over.Program == "" {
		own, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		over = launch.Origin{Program: own, Version: buildinfo.Version()}
	}
	err := launch.Change(h.o.Dir, func(s *launch.State) {
		s.Confirm(st.Candidate, over)
		s.Trial.Outcome = launch.Passed
	})
	if err != nil {
		return err
	}
	return h.leaveFor(op, &LeftError{ComeBack: true, Reason: "upgrade to " + st.To})
}

// leaveFor ends this daemon for another one, and returns when it does. The
// operation goes on in that.
func (h *host) leaveFor(op *operation, left *LeftError) error {
	if h.left.CompareAndSwap(nil, left) {
		if h.phase.CompareAndSwap(phaseReady, phaseDetaching) {
			h.o.Log.Info("leaving the workers running", "reason", left.Reason, "workers", h.runningWorkers())
			h.end()
		} else {
			h.left.CompareAndSwap(left, nil) // it ends anyway, for another reason
		}
	}
	<-op.life.Done()
	return context.Cause(op.life)
}

func selfSwitch(ctx context.Context, op *operation) error {
	_, st, err := selfWork(op)
	if err != nil || st.Nothing {
		return err
	}
	if op.h.isVersion(st.Candidate) || st.From != st.To && sameVersion(buildinfo.Version(), st.To) {
		return nil
	}
	state, err := launch.Read(op.h.o.Dir)
	if err != nil {
		return err
	}
	why := fmt.Sprintf("%s runs instead", buildinfo.Version())
	if f, failed := state.Failed(st.To); failed {
		why = f.Reason
	}
	return selfRefused("version %s was left again: %s", st.To, why)
}

// selfReturn has the former version come back, if it does not run already.
func selfReturn(ctx context.Context, op *operation) error {
	_, st, err := selfWork(op)
	if err != nil || st.Nothing {
		return err
	}
	reason := op.record().Error
	err = launch.Change(op.h.o.Dir, func(s *launch.State) {
		if s.Runs(st.Candidate) {
			s.Return()
			s.Fail(st.Candidate, reason)
		}
	})
	if err != nil {
		return err
	}
	if !op.h.isVersion(st.Candidate) {
		return nil
	}
	return op.h.leaveFor(op, &LeftError{ComeBack: true, Reason: "back to " + st.From + ": " + reason, Become: true})
}

// isVersion reports whether this process is that program.
func (h *host) isVersion(v launch.Version) bool {
	own, err := os.Executable()
	if err != nil {
		return false
	}
	a, errA := os.Stat(own)
	b, errB := os.Stat(v.Program)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func selfVerify(ctx context.Context, op *operation) error {
	in, st, err := selfWork(op)
	if err != nil || st.Nothing {
		return err
	}
	limit := time.Duration(in.LimitMs) * time.Millisecond
	if limit <= 0 {
		limit = defaultTrialLimit
	}
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	look := time.NewTicker(verifyPace)
	defer look.Stop()
	for {
		away := op.h.away(st.Order.Links)
		if len(away) == 0 {
			break
		}
		op.say("waiting for it to prove itself: " + errors.Join(away...).Error())
		select {
		case <-look.C:
		case <-deadline.C:
			return selfRefused("version %s does not reach what %s reached: %v", st.To, st.From, errors.Join(away...))
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	op.h.pruneSelf(ctx)
	return nil
}

// verifyPace is the pause between two looks.
const verifyPace = 200 * time.Millisecond

// pruneSelf removes old versions. What cannot be removed does no harm, and is
// no reason to leave a version that proved itself.
func (h *host) pruneSelf(ctx context.Context) {
	keep, err := VersionsInUse(ctx, h.manifest, h.o.Dir, program)
	if err == nil {
		_, err = h.ownVersions.Prune(ctx, program, keep)
	}
	if err != nil && ctx.Err() == nil {
		h.o.Log.Warn("old versions of this program stay", "error", err)
	}
}
