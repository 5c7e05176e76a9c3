package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/oplog"
	"pipedai/store"
)

// Maintenance is the maintenance mode with the words for it.
type Maintenance struct {
	store.ModeStatus
	Message string
}

// CanEnter reports whether nothing is left to do.
func (m Maintenance) CanEnter() bool { return m.Active() == 0 }

// Active counts what is left to do: what is pending, retries and schedules far
// ahead included, and what is running.
func (m Maintenance) Active() int { return m.Pending + m.Running }

// Wire is the status as every interface tells it.
func (m Maintenance) Wire() api.Maintenance {
	return api.Maintenance{
		Mode: string(m.Mode), CanEnterMaintenance: m.CanEnter(), PendingTasks: m.Pending, RunningTasks: m.Running,
		ModeChangedAt: api.At(m.ChangedAt), Message: m.Message, By: m.Reason.By, Reason: m.Reason.Text,
	}
}

// Modes is what the maintenance mode asks of a store.
type Modes interface {
	RefreshMode(ctx context.Context) (store.ModeStatus, error)
	SetMode(ctx context.Context, from []store.Mode, to store.Mode, reason store.ModeReason) (store.ModeStatus, error)
}

// ErrNotRequested says that maintenance was to be entered from normal running.
var ErrNotRequested = errors.New("Cannot enter maintenance directly from running mode. Call requestMaintenance() first.") //nolint:revive // the words that scripts know

// LookAtMaintenance reads the mode. While maintenance is waited for and
// nothing is left to do, looking enters it.
func LookAtMaintenance(ctx context.Context, modes Modes) (Maintenance, error) {
	mode, err := modes.RefreshMode(ctx)
	if err == nil && mode.Mode == store.ModeWaiting && mode.Pending+mode.Running == 0 {
		var entered store.ModeStatus
		entered, err = modes.SetMode(ctx, []store.Mode{store.ModeWaiting}, store.ModeMaintenance, store.ModeReason{})
		switch {
		case err == nil:
			mode = entered
		case errors.Is(err, store.ErrConflict): // something came up, or somebody was faster
			mode, err = modes.RefreshMode(ctx)
		}
	}
	if err != nil {
		return Maintenance{}, fmt.Errorf("look at the maintenance mode: %w", err)
	}
	return described(mode), nil
}

// described finds the words for a mode.
func described(mode store.ModeStatus) Maintenance {
	out := Maintenance{ModeStatus: mode}
	switch {
	case mode.Mode == store.ModeRunning:
		out.Message = "Orchestrator is running normally"
	case mode.Mode == store.ModeMaintenance:
		out.Message = "Maintenance mode active - no new tasks accepted"
	case out.CanEnter():
		out.Message = "Ready to enter maintenance mode"
	default:
		out.Message = fmt.Sprintf("Waiting for %d tasks to complete", out.Active())
	}
	return out
}

// RequestMaintenance stops accepting work. What there is goes on, retries and
// successors included; when nothing is left, maintenance begins by itself.
// Who asks, and why, is told to everybody until it is over.
func RequestMaintenance(ctx context.Context, modes Modes, reason store.ModeReason) (Maintenance, error) {
	mode, err := modes.SetMode(ctx, []store.Mode{store.ModeRunning, store.ModeWaiting}, store.ModeWaiting, reason)
	if errors.Is(err, store.ErrConflict) && mode.Mode == store.ModeMaintenance {
		return Maintenance{ModeStatus: mode, Message: "Already in maintenance mode"}, nil
	}
	if err != nil {
		return Maintenance{}, fmt.Errorf("request maintenance: %w", err)
	}
	out := Maintenance{ModeStatus: mode}
	out.Message = fmt.Sprintf("Waiting for %d tasks to complete", out.Active())
	return out, nil
}

// EnterMaintenance begins maintenance if it was requested and nothing is left
// to do; otherwise the mode stays, and the message says why. From normal running
// it is ErrNotRequested.
func EnterMaintenance(ctx context.Context, modes Modes) (Maintenance, error) {
	mode, err := modes.SetMode(ctx, []store.Mode{store.ModeWaiting}, store.ModeMaintenance, store.ModeReason{})
	out := Maintenance{ModeStatus: mode}
	switch {
	case err == nil:
		out.Message = "Maintenance mode active"
	case !errors.Is(err, store.ErrConflict):
		return Maintenance{}, fmt.Errorf("enter maintenance: %w", err)
	case mode.Mode == store.ModeRunning:
		return out, ErrNotRequested
	case mode.Mode == store.ModeMaintenance:
		out.Message = "Already in maintenance mode"
	default:
		out.Message = fmt.Sprintf("Cannot enter maintenance: %d tasks still active", out.Active())
	}
	return out, nil
}

// ExitMaintenance accepts work again, from whatever mode.
func ExitMaintenance(ctx context.Context, modes Modes) (Maintenance, error) {
	mode, err := modes.SetMode(ctx, []store.Mode{store.ModeRunning, store.ModeWaiting, store.ModeMaintenance}, store.ModeRunning, store.ModeReason{})
	if err != nil {
		return Maintenance{}, fmt.Errorf("exit maintenance: %w", err)
	}
	return described(mode), nil
}

// Maintenance looks at the maintenance mode, see LookAtMaintenance.
func (e *Engine) Maintenance(ctx context.Context) (Maintenance, error) {
	return e.mode.tell(func() (Maintenance, error) { return LookAtMaintenance(ctx, e.store) })
}

// RequestMaintenance stops accepting work, see RequestMaintenance.
func (e *Engine) RequestMaintenance(ctx context.Context, reason store.ModeReason) (Maintenance, error) {
	m, err := e.mode.tell(func() (Maintenance, error) { return RequestMaintenance(ctx, e.store, reason) })
	e.wakes.mode.set() // there may be nothing to wait for
	return m, err
}

// EnterMaintenance begins maintenance, see EnterMaintenance.
func (e *Engine) EnterMaintenance(ctx context.Context) (Maintenance, error) {
	return e.mode.tell(func() (Maintenance, error) { return EnterMaintenance(ctx, e.store) })
}

// ExitMaintenance accepts work again, see ExitMaintenance.
func (e *Engine) ExitMaintenance(ctx context.Context) (Maintenance, error) {
	return e.mode.tell(func() (Maintenance, error) { return ExitMaintenance(ctx, e.store) })
}

// modeRefresh is how often the counts beside the mode are brought up to date
// for other programs when nobody asks.
const modeRefresh = 5 * time.Second

// modeWatch keeps an eye on the maintenance mode, which the row in the
// database alone decides: other replicas and other programs change it too. The
// watcher sees the mode with every look it takes; this loop acts on it.
type modeWatch struct {
	e *Engine

	mu      sync.Mutex
	last    store.Mode // as this process knows it; empty: not yet
	changes int        // of last
}

// Run acts until ctx ends.
func (w *modeWatch) Run(ctx context.Context) error {
	return w.e.loop(ctx, "watch the maintenance mode", w.e.wakes.mode, func(ctx context.Context) (time.Duration, error) {
		return jittered(modeRefresh), w.once(ctx)
	}, 0)
}

func (w *modeWatch) once(ctx context.Context) error {
	_, err := w.e.Maintenance(ctx)
	return err
}

// tell takes a step, passes on what it found, and notes the mode.
func (w *modeWatch) tell(step func() (Maintenance, error)) (Maintenance, error) {
	begun := w.begin()
	m, err := step()
	w.note(m.Mode, begun)
	return m, err
}

// begin is what note wants of whoever is about to read the mode.
func (w *modeWatch) begin() (changes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes
}

// note puts a change of the mode on the feed and in the log. What was read
// before another change was noted is old by now and dropped; the next look is
// seconds away.
func (w *modeWatch) note(mode store.Mode, begun int) {
	w.mu.Lock()
	before := w.last
	if mode == "" || mode == before || begun != w.changes {
		w.mu.Unlock()
		return
	}
	w.last = mode
	w.changes++
	w.mu.Unlock()
	if before != "" || mode != store.ModeRunning {
		w.e.feed.Publish(api.StreamEvent{Type: "mode", Status: string(mode)})
		w.e.o.Log.With(oplog.Component, "maintenance").Log(context.Background(), oplog.Notice, "mode changed", "mode", mode, "was", before)
	}
}

// saw is a look of the watcher. While maintenance is waited for, each look may
// be the one that finds nothing left.
func (w *modeWatch) saw(mode store.Mode, begun int) {
	w.note(mode, begun)
	w.ended()
}

// ended looks again when something ended while maintenance is waited for: it
// may have been the last.
func (w *modeWatch) ended() {
	w.mu.Lock()
	waiting := w.last == store.ModeWaiting
	w.mu.Unlock()
	if waiting {
		w.e.wakes.mode.set()
	}
}
