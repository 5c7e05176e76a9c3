package remote

import (
	"context"
	"errors"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
)

// stream is the lifecycle event stream of one worker. Fields below stop are
// guarded by Watcher.mu.
type stream struct {
	key    key
	worker string
	stop   context.CancelFunc

	last    *api.LastEvent
	resting bool // refused; a new credential may change that
}

// refusedPause is how long a stream rests that the control plane refused: the
// answer will not be another one in a few seconds.
const refusedPause = 5 * time.Minute

// follow keeps the stream open. The client ends one that went silent; after a
// broken connection it goes on from the last event it saw.
func (w *Watcher) follow(ctx context.Context, s *stream) {
	var since int64
	for failures := 0; ; {
		began := time.Now()
		plane, err := w.dial(s.key)
		if err == nil {
			err = plane.WorkerEvents(ctx, s.worker, since, func(id int64, event api.LifecycleEvent) {
				failures = 0
				since = max(since, id)
				w.mu.Lock()
				s.last = &api.LastEvent{Type: event.Type, At: event.TS.String()}
				if g := w.groups[s.key]; g != nil {
					g.poke()
				}
				w.mu.Unlock()
				w.o.OnChange()
			})
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			failures = 0 // it worked; the connection merely ended
		}
		failures++
		wait := max(w.o.Retry.Delay(failures), retryAfter(err))
		if refused(err) {
			wait = jitter(refusedPause)
			w.mu.Lock()
			if !s.resting {
				w.o.Log.Warn("control plane refused the events of a worker", "url", s.key.apiURL, "worker", s.worker, "error", err)
			}
			s.resting = true
			w.mu.Unlock()
		}
		if !backoff.Sleep(ctx, wait) {
			return
		}
	}
}

// refused reports whether asking again soon is pointless. A missing credential
// is not: connect may bring it any moment.
func refused(err error) bool {
	var answer *api.Error
	return errors.As(err, &answer) && answer.Status >= 400 && answer.Status < 500 && answer.Status != 429 && answer.Status != 408
}
