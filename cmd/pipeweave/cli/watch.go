package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// errWaitOver says that a wait took as long as it may.
var errWaitOver = errors.New("wait over")

const (
	// lookEvery is how often a run is looked at when nothing is heard of it.
	lookEvery = 2 * time.Second
	// quietFor is after how long without a line a waiting person gets one.
	quietFor = 10 * time.Second
	// patience is how many looks in a row may fail before the wait gives up.
	patience = 15
)

// following is something that is looked at until it ends.
type following[T any] struct {
	concerns func(api.StreamEvent) bool // a change of it
	look     func(context.Context) (T, error)
	show     func(T) (ended bool)
	timeout  time.Duration // none: as long as it takes
}

// run looks whenever the server's change feed says so, and from time to time:
// what is looked at counts, so a lost feed only makes it slower. It returns the
// last look.
func (f following[T]) run(ctx context.Context, c *client.Client) (T, error) {
	var none T
	feed, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		followChanges(feed, c, f.concerns, changed)
	}()
	defer func() { cancel(); <-fed }()

	var over <-chan time.Time
	if f.timeout > 0 {
		timer := time.NewTimer(f.timeout)
		defer timer.Stop()
		over = timer.C
	}
	look := time.NewTimer(0)
	defer look.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-over:
			return none, errWaitOver
		case <-changed:
		case <-look.C:
		}
		seen, err := f.look(ctx)
		var refused *api.Error
		switch {
		case err == nil:
			failures = 0
			if f.show(seen) {
				return seen, nil
			}
		case errors.Is(err, context.Canceled):
		case errors.As(err, &refused) && refused.Status != 0 && refused.Status < 500, failures == patience:
			return none, err
		default:
			failures++ // the server may be restarting; all of it is safe in its database
		}
		look.Reset(lookEvery)
	}
}

// followChanges signals each notice that concerns somebody, until ctx ends.
func followChanges(ctx context.Context, c *client.Client, concerns func(api.StreamEvent) bool, changed chan<- struct{}) {
	since := int64(0)
	for ctx.Err() == nil {
		_ = c.Stream(ctx, since, func(e api.StreamEvent) { // it comes back by itself, or polling does
			since = e.Seq
			if e.Type == "resync" || concerns(e) {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		})
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// await follows a run until it ends, with a line on standard error whenever
// one of its tasks changes.
func (d *deps) await(ctx context.Context, c *client.Client, id string, timeout time.Duration) (api.RunDetail, error) {
	lines := taskLines{d: d, seen: map[string]string{}, spoke: d.now()}
	run, err := following[api.RunDetail]{
		concerns: func(e api.StreamEvent) bool { return e.RunID == id },
		look:     func(ctx context.Context) (api.RunDetail, error) { return c.Run(ctx, id) },
		show: func(run api.RunDetail) bool {
			lines.show(run)
			return !run.CompletedAt.IsZero()
		},
		timeout: timeout,
	}.run(ctx, c)
	if ctx.Err() != nil && err != nil {
		d.notef("The run goes on. Look again with: pipeweave status %s\n", id)
	}
	return run, err
}

// taskLines prints what is new about the tasks of a run.
type taskLines struct {
	d     *deps
	seen  map[string]string // task run to what was said last
	spoke time.Time
}

func (l *taskLines) show(run api.RunDetail) {
	width := 12
	for task := range run.StructureSnapshot {
		width = max(width, len(task))
	}
	open := 0
	for _, t := range run.Tasks {
		if t.SupersededBy != "" {
			continue // of before a replay: no news
		}
		text, ended := taskText(t)
		if !ended {
			open++
		}
		if text == "" || l.seen[t.ID] == text {
			continue
		}
		l.seen[t.ID] = text
		l.spoke = l.d.now()
		l.d.notef("  %-*s  %s\n", width, t.TaskID, cliutil.Printable(text))
	}
	if l.d.now().Sub(l.spoke) >= quietFor && open > 0 {
		l.spoke = l.d.now()
		l.d.notef("  still running: %d open tasks, %s\n", open, seconds(l.d.now().Sub(run.CreatedAt.Time)))
	}
}

// taskText is what a person wants to hear about a task: how it ended, that it
// is tried again, how far it is.
func taskText(t api.TaskRun) (text string, ended bool) {
	switch t.Status {
	case "completed":
		return fmt.Sprintf("completed  %s", seconds(t.CompletedAt.Sub(t.StartedAt.Time))), true
	case "failed", "timeout", "cancelled":
		text := t.Status
		if t.Error != "" {
			text += "  " + t.Error
		}
		return text, true
	case "pending":
		if n := len(t.PreviousAttempts); n > 0 {
			return fmt.Sprintf("retrying   attempt %d failed: %s", t.PreviousAttempts[n-1].Attempt, t.PreviousAttempts[n-1].Error), false
		}
	}
	return "", false
}
