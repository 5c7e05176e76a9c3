// Package lifecycle starts the long-lived parts of a program and stops them in
// the order it was told.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Group runs parts until one fails or the context ends, then stops them one
// after the other: the part added last stops first. A part is a function that
// blocks and returns only when wholly stopped.
//
// The zero value is ready to use. Add before Run; not safe for concurrent use.
type Group struct{ parts []part }

type part struct {
	name string
	run  func(context.Context) error
}

// Add appends a part. Parts that others depend on are added first.
func (g *Group) Add(name string, run func(context.Context) error) {
	g.parts = append(g.parts, part{name, run})
}

// Run starts every part and blocks until all have ended. It returns the error
// of the first part that failed while it should have been running, joined with
// those of parts that failed to stop. A part that ends by itself with nil ends
// the group too.
func (g *Group) Run(ctx context.Context) error {
	type running struct {
		name string
		stop context.CancelFunc
		done chan struct{}
		err  error
	}
	var (
		all   []*running
		ended = make(chan *running, len(g.parts))
		wg    sync.WaitGroup
	)
	for _, p := range g.parts {
		// Detached from ctx: the end of ctx must stop parts in order, not at once.
		partCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{name: p.name, stop: stop, done: make(chan struct{})}
		all = append(all, r)
		wg.Go(func() {
			if err := p.run(partCtx); err != nil && !errors.Is(err, context.Canceled) {
				r.err = fmt.Errorf("%s: %w", r.name, err)
			}
			close(r.done)
			ended <- r
		})
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
	var errs []error
	for i := len(all) - 1; i >= 0; i-- {
		all[i].stop()
		<-all[i].done
		errs = append(errs, all[i].err)
	}
	wg.Wait()
	return errors.Join(errs...)
}
