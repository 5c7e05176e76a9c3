package manifest

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// commitTimeout bounds a shared commit, which no single caller's context may
// end.
const commitTimeout = 10 * time.Second

// group gathers changes that arrive while a commit is under way into the next
// one: hundreds of processes that come up together cost a few flushes of the
// disk, and one alone waits for nobody. There is no goroutine behind it; one of
// the callers commits for all.
type group struct {
	mu      sync.Mutex
	waiting []*change
	turn    chan struct{} // capacity 1: held by the caller that commits
}

// change is one caller's part of a shared transaction.
type change struct {
	apply func(context.Context, *sql.Tx) error
	done  chan error // capacity 1
}

// together applies f in a transaction that it may share with other callers and
// returns after the commit. An error of one part undoes that part only. When
// ctx ends first the change is withdrawn, or, if its commit has begun, waited
// for: the answer is never a guess.
func (m *Manifest) together(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	c := &change{apply: f, done: make(chan error, 1)}
	m.group.mu.Lock()
	m.group.waiting = append(m.group.waiting, c)
	m.group.mu.Unlock()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		if m.group.withdraw(c) {
			return context.Cause(ctx)
		}
		return <-c.done
	case m.group.turn <- struct{}{}:
	}
	m.commitAll(m.group.take())
	<-m.group.turn
	return <-c.done // the batch held it, unless an earlier one did
}

func (g *group) take() []*change {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.waiting
	g.waiting = nil
	return all
}

func (g *group) withdraw(c *change) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == c {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// commitAll answers every change of a batch.
func (m *Manifest) commitAll(batch []*change) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	answers := make([]error, len(batch))
	err := m.write(ctx, func(tx *sql.Tx) error {
		for i, c := range batch {
			answers[i] = c.apply(ctx, tx)
			if answers[i] != nil && !errors.Is(answers[i], ErrStale) {
				return answers[i] // it may have been half done
			}
		}
		return nil
	})
	if err != nil && len(batch) > 1 && ctx.Err() == nil && !Unavailable(err) {
		// One of them cannot be done; the others are not to suffer for it.
		for _, c := range batch {
			m.commitAll([]*change{c})
		}
		return
	}
	for i, c := range batch {
		if err != nil {
			answers[i] = err
		}
		c.done <- answers[i]
	}
}
