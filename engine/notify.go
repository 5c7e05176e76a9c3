package engine

import (
	"context"
	"time"

	"pipedai/api"
)

// notifyEvery is the least time between two notices to the other replicas:
// notices serialise commits on PostgreSQL.
const notifyEvery = 20 * time.Millisecond

// notifier tells the other replicas that there is work. It is a hint: a
// replica that misses it finds the work by its poll.
type notifier struct{ e *Engine }

// Run sends what is signalled until ctx ends.
func (n notifier) Run(ctx context.Context) error {
	if !n.e.store.Info().Shared {
		<-ctx.Done()
		return nil
	}
	return n.e.loop(ctx, "notify other replicas", n.e.wakes.notify, func(ctx context.Context) (time.Duration, error) {
		return forever, n.once(ctx)
	}, notifyEvery)
}

func (n notifier) once(ctx context.Context) error { return n.e.store.Notify(ctx) }

// listener hears what other replicas tell.
type listener struct{ e *Engine }

// Run listens until ctx ends.
func (l listener) Run(ctx context.Context) error {
	return l.e.loop(ctx, "listen to other replicas", nil, func(ctx context.Context) (time.Duration, error) {
		err := l.e.store.Listen(ctx, l.once)
		if ctx.Err() != nil {
			return forever, nil
		}
		return 0, err
	}, 0)
}

// once handles one notice.
func (l listener) once() {
	l.e.catalog.forget() // it may have been a registration
	l.e.wakes.remote()
	if fn := l.e.onNotice.Load(); fn != nil {
		(*fn)()
	}
}

// OnNotice has fn called whenever another replica told that something changed.
// It must not block. There is one such function; the last one counts.
func (e *Engine) OnNotice(fn func()) { e.onNotice.Store(&fn) }

// TellReplicas has the other replicas call what they gave to OnNotice, soon. It
// is a hint that may be lost.
func (e *Engine) TellReplicas() { e.wakes.notify.set() }

// relayEvery is the least time between two notices that other replicas
// changed something.
const relayEvery = 500 * time.Millisecond

// relayer tells the readers of the feed that another replica made a change.
// Which one, nobody says; they fetch afresh what they show of runs.
type relayer struct{ e *Engine }

// Run relays until ctx ends.
func (r relayer) Run(ctx context.Context) error {
	return r.e.loop(ctx, "relay changes of other replicas", r.e.wakes.relay, func(context.Context) (time.Duration, error) {
		r.once()
		return forever, nil
	}, relayEvery)
}

func (r relayer) once() {
	if r.e.store.Info().Shared {
		r.e.feed.Publish(api.StreamEvent{Type: "run"})
	}
}
