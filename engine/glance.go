package engine

import (
	"context"
	"time"
)

// lookAtMost is how long an expired lease or a due run can lie, whatever the
// poll interval is.
const lookAtMost = 5 * time.Second

// watcher is the net below the wake-ups: it takes one cheap look per poll
// interval and wakes those for whom there is something to do. Nobody else
// polls, so an idle replica costs its database one statement a second, however
// many workers wait here.
type watcher struct {
	e      *Engine
	polled time.Time // when claimers were last woken without a signal
}

// Run looks until ctx ends.
func (w *watcher) Run(ctx context.Context) error {
	w.e.watched.Store(true)
	defer w.e.watched.Store(false)
	w.polled = time.Now() // the loops have just looked themselves
	if !waitFor(ctx, nil, w.pause(time.Time{}), true) {
		return nil
	}
	return w.e.loop(ctx, "look at the queue", nil, w.once, 0)
}

// once looks, and returns how long to wait for the next look.
func (w *watcher) once(ctx context.Context) (time.Duration, error) {
	begun := w.e.mode.begin()
	seen, err := w.e.store.Glance(ctx)
	if err != nil {
		return 0, err
	}
	w.e.mode.saw(seen.Mode, begun)
	// Whatever is claimable has had its signal, unless that got lost.
	if now := time.Now(); now.Sub(w.polled) >= w.e.o.PollInterval*4/5 {
		w.polled = now
		w.e.wakes.found(seen.Ready, seen.Push)
	}
	if seen.Expired {
		w.e.wakes.rescue.set()
	}
	if seen.Due {
		w.e.wakes.due.set()
	}
	return w.pause(seen.NextDue), nil
}

// pause is until the next look, or until something is due before that. A due
// time that has come is for the promoter, who was woken.
func (w *watcher) pause(due time.Time) time.Duration {
	pause := jittered(min(w.e.o.PollInterval, lookAtMost))
	if left := time.Until(due); !due.IsZero() && left > 0 {
		pause = min(pause, max(dueLeast, left+time.Millisecond))
	}
	return pause
}
