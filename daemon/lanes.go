package daemon

import (
	"context"
	"sync"
)

// lanes puts the actions on a worker in the order they came. One that is asked
// for again while it is the newest is not done twice: whoever asks joins it
// and gets the same answer.
type lanes struct {
	mu     sync.Mutex
	newest map[string]*call // by worker; gone once it has ended
	closed bool
	all    sync.WaitGroup
	ctx    context.Context // of every action; ends with the daemon
	cancel context.CancelFunc
}

// call is one action.
type call struct {
	what    any           // comparable: two that are equal are the same action
	ordered chan struct{} // closed when the next one may begin
	ended   chan struct{}
	once    sync.Once
	answer  any
	err     error
}

func (c *call) order() { c.once.Do(func() { close(c.ordered) }) }

func newLanes() *lanes {
	l := &lanes{newest: map[string]*call{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// do carries out an action on a worker after those before it, and answers with
// its result, or with refused when the daemon stops. do calls order as soon as
// the next action may begin, at the latest when it returns; its context does not
// end with ctx: whoever asked may be gone by then, and an action is not left
// half done.
func (l *lanes) do(ctx context.Context, worker string, what any, refused error, do func(ctx context.Context, order func()) (any, error)) (any, error) {
	l.mu.Lock()
	before := l.newest[worker]
	if before != nil && before.what == what {
		l.mu.Unlock()
		return before.wait(ctx)
	}
	if l.closed {
		l.mu.Unlock()
		return nil, refused
	}
	c := &call{what: what, ordered: make(chan struct{}), ended: make(chan struct{})}
	l.newest[worker] = c
	l.all.Go(func() {
		defer func() {
			c.order()
			l.mu.Lock()
			if l.newest[worker] == c {
				delete(l.newest, worker)
			}
			l.mu.Unlock()
			close(c.ended)
		}()
		if before != nil {
			<-before.ordered
		}
		c.answer, c.err = do(l.ctx, c.order)
	})
	l.mu.Unlock()
	return c.wait(ctx)
}

func (c *call) wait(ctx context.Context) (any, error) {
	select {
	case <-c.ended:
		return c.answer, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run ends the waits of all actions when ctx ends, and returns when none is
// under way. None begins after it.
func (l *lanes) run(ctx context.Context) error {
	<-ctx.Done()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.all.Wait()
	return nil
}
