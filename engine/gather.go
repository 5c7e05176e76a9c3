package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// flights is how many flushes of one gather may be under way: the second
	// forms its batch while the first one commits.
	flights = 2
	// flushTimeout bounds one flush, so that a database that hangs is an error
	// to the callers and not a silence.
	flushTimeout = 30 * time.Second
)

// gather commits what arrives together together. An item that finds a flight
// free is flushed at once, so an idle system pays one commit and no wait; what
// arrives while all flights are under way is the next batch. There is no timer
// and no buffer that is acknowledged early: a caller hears of its item after
// the commit that holds it.
//
// A gather has no life of its own: its goroutines end when nothing is queued.
type gather[In, Out any] struct {
	// flush commits a batch and returns one result per item, in order.
	flush func(context.Context, []In) ([]Out, error)
	// most bounds a batch, to bound a transaction.
	most int

	mu      sync.Mutex
	queue   []*gathered[In, Out]
	flying  int
	settled chan struct{} // non-nil while somebody drains; closed when idle
}

// gathered is one item on its way.
type gathered[In, Out any] struct {
	item In
	out  Out
	err  error
	with *company
}

// company is the items that one caller waits for.
type company struct {
	left atomic.Int32
	done chan struct{} // closed when none is left
}

func newGather[In, Out any](most int, flush func(context.Context, []In) ([]Out, error)) *gather[In, Out] {
	return &gather[In, Out]{flush: flush, most: most}
}

// do commits one item and returns its result. A caller that gives up does not
// take its item back: it is committed, only nobody hears.
func (g *gather[In, Out]) do(ctx context.Context, item In) (Out, error) {
	w := &gathered[In, Out]{item: item, with: newCompany(1)}
	if err := g.join(ctx, w.with, w); err != nil {
		var none Out
		return none, err
	}
	return w.out, w.err
}

// doAll commits several items, together as far as they fit, and returns their
// results in order. One whose batch failed fails the call, like do; the others
// are committed all the same.
func (g *gather[In, Out]) doAll(ctx context.Context, items []In) ([]Out, error) {
	if len(items) == 0 {
		return []Out{}, nil
	}
	with := newCompany(len(items))
	all := make([]*gathered[In, Out], len(items))
	for i, item := range items {
		all[i] = &gathered[In, Out]{item: item, with: with}
	}
	if err := g.join(ctx, with, all...); err != nil {
		return nil, err
	}
	outs := make([]Out, len(all))
	for i, w := range all {
		if w.err != nil {
			return nil, w.err
		}
		outs[i] = w.out
	}
	return outs, nil
}

func newCompany(n int) *company {
	c := &company{done: make(chan struct{})}
	c.left.Store(int32(n))
	return c
}

// join queues items and waits until the last one is committed.
func (g *gather[In, Out]) join(ctx context.Context, with *company, items ...*gathered[In, Out]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	g.queue = append(g.queue, items...)
	if g.flying < flights {
		g.flying++
		go g.fly()
	}
	g.mu.Unlock()
	select {
	case <-with.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fly flushes batches until nothing is queued.
func (g *gather[In, Out]) fly() {
	for {
		g.mu.Lock()
		n := min(len(g.queue), g.most)
		if n == 0 {
			g.flying--
			if g.flying == 0 && g.settled != nil {
				close(g.settled)
				g.settled = nil
			}
			g.mu.Unlock()
			return
		}
		batch := g.queue[:n:n]
		g.queue = g.queue[n:]
		g.mu.Unlock()
		g.commit(batch)
	}
}

func (g *gather[In, Out]) commit(batch []*gathered[In, Out]) {
	items := make([]In, len(batch))
	for i, w := range batch {
		items[i] = w.item
	}
	// Detached from the callers: one that leaves must not fail its neighbours.
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	outs, err := g.flush(ctx, items)
	if err == nil && len(outs) != len(batch) {
		err = errors.New("the store answered for a different number of items")
	}
	for i, w := range batch {
		if err != nil {
			w.err = err
		} else {
			w.out = outs[i]
		}
		if w.with.left.Add(-1) == 0 {
			close(w.with.done)
		}
	}
}

// drain returns when nothing is queued or under way, or when ctx ends.
func (g *gather[In, Out]) drain(ctx context.Context) error {
	g.mu.Lock()
	if g.flying == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.settled == nil {
		g.settled = make(chan struct{})
	}
	settled := g.settled
	g.mu.Unlock()
	select {
	case <-settled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
