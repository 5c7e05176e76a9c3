package flow

import (
	"encoding/json"
	"time"

	"pipedai/pipeline"
	"pipedai/rollout"
	"pipedai/store"
)

// Rollout is a rollout with its targets inside one transaction: loaded, moved
// by the methods below, and written back as far as it changed.
type Rollout struct {
	store.Rollout
	Targets []store.RolloutTarget

	now   time.Time
	dirty map[int]bool
	moved bool
}

// NewRollout takes one that was loaded.
func NewRollout(r store.Rollout, targets []store.RolloutTarget, now time.Time) *Rollout {
	return &Rollout{Rollout: r, Targets: targets, now: now, dirty: map[int]bool{}}
}

// BeginRollout makes a rollout that is asked for, with nothing ordered yet.
func BeginRollout(p store.StartRollout, now time.Time) store.Rollout {
	return store.Rollout{
		ID: store.RolloutID("roll_" + pipeline.Random(16)), Workspace: p.Workspace, Program: p.Program, Version: p.Version, Channel: p.Channel,
		Kind: p.Kind, RollbackOf: p.RollbackOf, Rollout: rollout.Rollout{Limits: p.Limits, Status: rollout.Running},
		ForceAfter: p.ForceAfter, Note: p.Note, CreatedBy: p.By, CreatedAt: now, UpdatedAt: now,
	}
}

func (r *Rollout) plain() []rollout.Target {
	out := make([]rollout.Target, len(r.Targets))
	for i, t := range r.Targets {
		out[i] = t.Target
	}
	return out
}

// set takes what the pure package made of a target.
func (r *Rollout) set(i int, to rollout.Target) {
	t := &r.Targets[i]
	if t.Target == to {
		return
	}
	was := t.Target
	t.Target = to
	r.dirty[i] = true
	if was.State != to.State {
		switch to.State {
		case rollout.Ordered:
			t.Order, t.Attempts, t.OrderedAt = store.OrderID("ord_"+pipeline.Random(16)), t.Attempts+1, r.now
			t.Step, t.Message, t.Progress, t.Workers, t.ReportedAt = "", "", 0, nil, time.Time{}
		case rollout.Waiting:
			t.Order = ""
		}
		t.EndedAt = time.Time{}
		if to.State.Final() {
			t.EndedAt = r.now
		}
		if News(was.State) || News(to.State) {
			r.Told = append(r.Told, t.ID)
		}
	}
}

// News reports whether a host in that state has to be told something.
func News(s rollout.State) bool {
	return s == rollout.Ordered || s == rollout.Withdrawing || s == rollout.Overdue
}

// Advance lets the limits decide what is next.
func (r *Rollout) Advance() {
	plain := r.plain()
	to, targets := rollout.Next(r.Rollout.Rollout, plain, r.now).Apply(r.Rollout.Rollout, plain, r.now)
	for i := range targets {
		r.set(i, targets[i])
	}
	r.become(to)
	r.Counts = rollout.Count(targets)
}

func (r *Rollout) become(to rollout.Rollout) {
	if r.Rollout.Rollout == to {
		return
	}
	r.Rollout.Rollout, r.moved = to, true
	r.EndedAt = time.Time{}
	if to.Status.Ended() {
		r.EndedAt = r.now
	}
}

// Steer applies a person's decision, or says ErrConflict.
func (r *Rollout) Steer(p store.SteerRollout) error {
	to, targets, ok := r.Rollout.Rollout, r.plain(), false
	switch p.Verb {
	case store.RolloutPause:
		to, ok = rollout.Pause(to, p.Why)
	case store.RolloutAbort:
		to, ok = rollout.Abort(to, p.Why)
	case store.RolloutResume, store.RolloutRetry:
		to, targets, ok = rollout.Resume(to, targets, p.Verb == store.RolloutRetry)
	}
	if !ok {
		return store.ErrConflict
	}
	for i := range targets {
		r.set(i, targets[i])
	}
	r.become(to)
	r.Advance()
	return nil
}

// Take takes a host's word about one of the targets' orders.
func (r *Rollout) Take(host store.HostID, p store.OrderReport) {
	for i := range r.Targets {
		t := &r.Targets[i]
		if t.ID != host || t.Order != p.ID {
			continue
		}
		if t.Settled {
			return
		}
		// What an order that was taken back is doing is of interest as well.
		t.Step, t.Message, t.Progress, t.Workers, t.ReportedAt = p.Step, p.Message, p.Progress, p.Workers, r.now
		r.dirty[i] = true
		if to, ok := rollout.Take(t.Target, p.Word, p.Error); ok {
			r.set(i, to)
		}
		return
	}
}

// Changed lists the targets to write with their positions, and says whether the
// rollout itself is to be written. The hosts that have to hear of it are Told.
func (r *Rollout) Changed() (targets []store.RolloutTarget, positions []int, changed bool) {
	for i, t := range r.Targets {
		if r.dirty[i] {
			targets, positions = append(targets, t), append(positions, i)
		}
	}
	if len(targets) > 0 || r.moved {
		r.UpdatedAt = r.now
		return targets, positions, true
	}
	return nil, nil, false
}

// Workers is a list of workers as columns hold it.
func Workers(w []store.RolloutWorker) string {
	if len(w) == 0 {
		return "[]"
	}
	data, err := json.Marshal(w)
	if err != nil {
		return "[]" // strings and nothing else: it always encodes
	}
	return string(data)
}
