package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// StarvedAfter is how long a task run can be claimable before it goes before
	// everything younger of its queue, whatever its priority.
	StarvedAfter = time.Hour
	// upkeepEvery is how often each duty has its turn.
	upkeepEvery = time.Minute
	// upkeepBatch bounds one transaction, and upkeepRounds how many of them a
	// duty may take in one turn; what is left is there the next time.
	upkeepBatch  = 500
	upkeepRounds = 20
)

// duty is one thing that has to be done now and then.
type duty struct {
	name  string
	every time.Duration
	// once takes one bounded step, and says how many things it did and whether
	// more are waiting.
	once func(context.Context) (done int, more bool, err error)
}

// upkeeper keeps the tables small and the queue fair. Replicas share the work
// without a leader: a step passes over what another one has in hand.
type upkeeper struct {
	e      *Engine
	duties []duty

	mu   sync.Mutex
	last map[string]time.Time
}

func newUpkeeper(e *Engine) *upkeeper {
	return &upkeeper{e: e, last: map[string]time.Time{}, duties: []duty{
		{"lift starved task runs", upkeepEvery, e.liftStarved},
		{"forget idempotency keys", upkeepEvery, e.forgetKeys},
		{"remove old dead letters", upkeepEvery, e.expireDeadLetters},
		{"remove old runs", upkeepEvery, e.expireRuns},
		{"forget old lines of the audit log", upkeepEvery, e.forgetAudit},
		{"remove old run events", upkeepEvery, e.expireRunEvents},
		{"remove expired uploads", uploadsEvery, e.expireUploads},
		{"forget removed uploads", uploadsEvery, e.archiveUploads},
	}}
}

// Run takes turns until ctx ends. A duty that fails does not keep the others.
func (u *upkeeper) Run(ctx context.Context) error {
	return u.e.loop(ctx, "upkeep", nil, func(ctx context.Context) (time.Duration, error) {
		return jittered(upkeepEvery), u.once(ctx)
	}, 0)
}

// once gives every duty that is due its turn.
func (u *upkeeper) once(ctx context.Context) error {
	var errs []error
	for _, d := range u.duties {
		if !u.due(d) {
			continue
		}
		total := 0
		for range upkeepRounds {
			done, more, err := d.once(ctx)
			total += done
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", d.name, err))
			}
			if err != nil || !more || ctx.Err() != nil {
				break
			}
		}
		if total > 0 {
			u.e.log.Info("upkeep", "duty", d.name, "count", total)
		}
	}
	return errors.Join(errs...)
}

// due takes a turn, a little early rather than late.
func (u *upkeeper) due(d duty) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	if last, had := u.last[d.name]; had && now.Sub(last) < d.every*3/4 {
		return false
	}
	u.last[d.name] = now
	return true
}

func (e *Engine) liftStarved(ctx context.Context) (int, bool, error) {
	n, err := e.store.LiftStarved(ctx, time.Now().Add(-StarvedAfter), upkeepBatch)
	return n, n == upkeepBatch, err
}

func (e *Engine) forgetKeys(ctx context.Context) (int, bool, error) {
	n, err := e.store.ForgetKeys(ctx, time.Now().Add(-e.o.IdempotencyTTL), upkeepBatch)
	return n, n >= upkeepBatch, err
}

func (e *Engine) expireDeadLetters(ctx context.Context) (int, bool, error) {
	if e.o.DeadLetterRetention < 0 {
		return 0, false, nil
	}
	n, err := e.store.PurgeDeadLetters(ctx, time.Now().Add(-e.o.DeadLetterRetention), upkeepBatch)
	return n, n == upkeepBatch, err
}

func (e *Engine) forgetAudit(ctx context.Context) (int, bool, error) {
	if e.o.AuditRetention <= 0 {
		return 0, false, nil
	}
	n, err := e.store.ForgetAudit(ctx, time.Now().Add(-e.o.AuditRetention), upkeepBatch)
	return n, n == upkeepBatch, err
}

func (e *Engine) expireRunEvents(ctx context.Context) (int, bool, error) {
	if e.o.RunEventRetention < 0 {
		return 0, false, nil
	}
	n, err := e.store.DeleteRunEvents(ctx, time.Now().Add(-e.o.RunEventRetention), upkeepBatch)
	return n, n == upkeepBatch, err
}

// expireRuns removes old runs, then the inputs that the engine wrote to storage
// for them. Results of workers stay: whoever owns the storage decides about
// those. An input that cannot be removed is left there.
func (e *Engine) expireRuns(ctx context.Context) (int, bool, error) {
	if e.o.RunRetention <= 0 {
		return 0, false, nil
	}
	gone, err := e.store.DeleteRuns(ctx, time.Now().Add(-e.o.RunRetention), upkeepBatch)
	if err != nil {
		return 0, false, err
	}
	left := 0
	for _, input := range gone.Inputs {
		backend, err := e.backendOf(placementOf(input.Metadata))
		if err == nil {
			err = backend.Bucket.Delete(ctx, input.Path)
		}
		if err != nil {
			left++
		}
	}
	if left > 0 {
		e.log.Warn("inputs of old runs stay in storage", "count", left)
	}
	return gone.Runs, gone.More, nil
}
