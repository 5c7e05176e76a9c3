package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"pipedai/store"
)

const (
	// claimTimeout bounds one claim. It is not cut short by a stop: the leases
	// it takes would be unknown to everybody.
	claimTimeout = 15 * time.Second
	// acceptGrace is how much longer than a dispatch a claim may stay unaccepted
	// before it counts as lost.
	acceptGrace = 10 * time.Second
)

// claimer takes runs of services that are pushed to, as many as there are free
// slots, and dispatches each in a goroutine of its own: a worker that is slow
// to answer holds up its own run and a slot, and nothing else.
type claimer struct {
	e *Engine

	mu      sync.Mutex // one claim at a time: slots are counted, then taken
	under   sync.Mutex
	flying  int // dispatches under way; guarded by under
	flights sync.WaitGroup
}

// Run claims until ctx ends. Dispatches under way then go on; see wait.
func (c *claimer) Run(ctx context.Context) error {
	return c.e.loop(ctx, "claim task runs", c.e.wakes.claimer, func(ctx context.Context) (time.Duration, error) {
		_, more, err := c.once(ctx, nil)
		if more {
			return 0, err
		}
		return forever, err // whatever makes a run claimable or frees a slot signals
	}, 0)
}

// once claims what fits and starts the dispatches. more says that it took as
// much as it could, so that there may be more to take. done, if given, is
// released as the dispatches end.
func (c *claimer) once(ctx context.Context, done *sync.WaitGroup) (claimed int, more bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	free := c.free()
	if free <= 0 || c.e.stopped() {
		return 0, false, nil // the end of a dispatch signals
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTimeout)
	defer cancel()
	runs, err := c.e.store.ClaimTasks(bounded, store.ClaimTasks{
		Owner:        c.e.o.Replica,
		Limit:        free,
		MaxRunning:   c.e.o.MaxConcurrency,
		AcceptWithin: c.e.o.DispatchTimeout + acceptGrace,
	})
	if err != nil {
		return 0, false, fmt.Errorf("claim task runs: %w", err)
	}
	c.e.claimed(runs)
	for _, run := range runs {
		c.start(run, done)
	}
	return len(runs), len(runs) == free, nil
}

// start dispatches one run in the background.
func (c *claimer) start(run store.Claimed, done *sync.WaitGroup) {
	c.under.Lock()
	c.flying++
	c.under.Unlock()
	if done != nil {
		done.Add(1)
	}
	c.flights.Go(func() {
		if done != nil {
			defer done.Done()
		}
		c.e.dispatch(c.e.work, run)
		c.under.Lock()
		full := c.flying == c.e.o.MaxConcurrency
		c.flying--
		c.under.Unlock()
		if full {
			c.e.wakes.claimer.set()
		}
	})
}

func (c *claimer) free() int {
	c.under.Lock()
	defer c.under.Unlock()
	return c.e.o.MaxConcurrency - c.flying
}

// wait returns when no claim and no dispatch is under way. No claim may be
// started any more.
func (c *claimer) wait() {
	c.mu.Lock() // a claim that is still out gets its dispatches started
	defer c.mu.Unlock()
	c.flights.Wait()
}

// claimed tells of runs that were just claimed.
func (e *Engine) claimed(runs []store.Claimed) {
	e.metrics.claims.Add(float64(len(runs)))
	for _, run := range runs {
		e.logEach("claimed", run.TaskRun)
		e.catalog.learn(run.TaskRun.Task, run.Service.ID)
		e.feed.Publish(taskChanged(run.TaskRun.Run, run.TaskRun.ID, run.TaskRun.Status))
	}
}
