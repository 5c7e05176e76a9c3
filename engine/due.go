package engine

import (
	"context"
	"fmt"
	"time"
)

const (
	// dueBatch bounds one transaction of the promoter.
	dueBatch = 500
	// dueLeast keeps a clock that differs from the database's from making the
	// promoter spin on a run that is due here and not there.
	dueLeast = 20 * time.Millisecond
)

// promoter makes runs claimable when their time has come: retries and
// scheduled starts. It sleeps until the next one is due; those that another
// replica adds meanwhile are seen in time by the watcher.
type promoter struct{ e *Engine }

// Run promotes until ctx ends.
func (p promoter) Run(ctx context.Context) error {
	return p.e.loop(ctx, "promote due runs", p.e.wakes.due, func(ctx context.Context) (time.Duration, error) {
		_, pause, err := p.once(ctx)
		return pause, err
	}, 0)
}

// once promotes one batch and tells how long to sleep; zero means that there
// is more.
func (p promoter) once(ctx context.Context) (promoted int, pause time.Duration, err error) {
	promoted, next, err := p.e.store.PromoteDue(ctx, dueBatch)
	if err != nil {
		return 0, 0, fmt.Errorf("promote due runs: %w", err)
	}
	if promoted > 0 {
		p.e.wakes.work()
	}
	if promoted >= dueBatch {
		return promoted, 0, nil
	}
	if next.IsZero() {
		return promoted, forever, nil
	}
	return promoted, max(dueLeast, time.Until(next)+time.Millisecond), nil
}
