package engine

import (
	"context"
	"fmt"
	"slices"
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
	flights sync.WaitGroup

	under   sync.Mutex // guards what follows
	flying  int        // dispatches under way, and slots kept for rides
	open    bool       // Run is at work
	short   bool       // a claim found no slot
	found   bool       // there are services that are pushed to: a claim took something
	limited bool       // the last claim took runs of tasks with a concurrency limit: such will end
}

// Run claims until ctx ends. Dispatches under way then go on; see wait.
func (c *claimer) Run(ctx context.Context) error {
	c.set(&c.open, true)
	defer c.set(&c.open, false)
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
	runs, err := c.e.store.ClaimTasks(bounded, c.ask(free))
	if err != nil {
		return 0, false, fmt.Errorf("claim task runs: %w", err)
	}
	c.took(runs)
	for _, run := range runs {
		c.start(run, done)
	}
	return len(runs), len(runs) == free, nil
}

func (c *claimer) ask(limit int) store.ClaimTasks {
	return store.ClaimTasks{
		Owner:        c.e.o.Replica,
		Limit:        limit,
		MaxRunning:   c.e.o.MaxConcurrency,
		AcceptWithin: c.e.o.DispatchTimeout + acceptGrace,
	}
}

// start dispatches one run in the background.
func (c *claimer) start(run store.Claimed, done *sync.WaitGroup) {
	c.under.Lock()
	c.flying++
	c.under.Unlock()
	c.fly(run, done)
}

// fly is start for a run whose slot is taken.
func (c *claimer) fly(run store.Claimed, done *sync.WaitGroup) {
	if done != nil {
		done.Add(1)
	}
	c.flights.Go(func() {
		if done != nil {
			defer done.Done()
		}
		c.e.dispatch(c.e.work, run)
		c.vacate(1)
	})
}

// vacate gives slots back.
func (c *claimer) vacate(slots int) {
	if slots == 0 {
		return
	}
	c.under.Lock()
	short := c.short
	c.short = false
	c.flying -= slots
	c.under.Unlock()
	if short {
		c.e.wakes.claimer.set()
	}
}

// took notes and tells what was claimed.
func (c *claimer) took(runs []store.Claimed) {
	if len(runs) > 0 {
		c.set(&c.found, true)
		c.set(&c.limited, slices.ContainsFunc(runs, func(run store.Claimed) bool { return run.Task.Concurrency > 0 }))
	}
	c.e.claimed(runs)
}

func (c *claimer) set(flag *bool, to bool) {
	c.under.Lock()
	defer c.under.Unlock()
	*flag = to
}

// free is how many slots there are. Where there is none, whoever gives one back
// wakes the claimer.
func (c *claimer) free() int {
	c.under.Lock()
	defer c.under.Unlock()
	free := c.e.o.MaxConcurrency - c.flying
	c.short = c.short || free <= 0
	return free
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
