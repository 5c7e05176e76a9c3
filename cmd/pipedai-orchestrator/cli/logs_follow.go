package cli

import (
	"context"
	"errors"
	"time"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/internal/workerlog"
)

// follower prints the lines of workers as they come, each once. The stream is
// opened before the logs are read, so that nothing falls between; every line
// has a position, which tells what was printed already, also after the daemon
// was another one.
type follower struct {
	show  *logPrinter
	q     workerlog.Query
	since int64            // seq of the last frame
	newer map[string]int64 // position up to which each worker is printed
	began bool
}

func newFollower(show *logPrinter, q workerlog.Query) *follower {
	return &follower{show: show, q: q, newer: map[string]int64{}}
}

// run follows until ctx ends. A daemon that goes away is waited for.
func (f *follower) run(ctx context.Context, local reached) error {
	pace := backoff.Policy{Base: 250 * time.Millisecond, Max: 5 * time.Second}
	for failures := 0; ; {
		err := local.Events(ctx, f.since, func(frame api.LocalFrame) {
			failures = 0
			f.frame(ctx, local, frame)
		})
		for again := true; again; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if !f.began {
				return err
			}
			if failures == 0 {
				f.show.d.notef("The daemon hung up; waiting for it to come back.\n")
			}
			failures++
			if !pace.Wait(ctx, failures) {
				return context.Cause(ctx)
			}
			next, err := f.show.d.daemon(ctx)
			if again = err != nil; !again {
				local = next
			}
		}
	}
}

func (f *follower) frame(ctx context.Context, local reached, frame api.LocalFrame) {
	f.since = frame.Seq
	switch {
	case frame.Kind == "status":
		if len(f.show.o.names) == 0 {
			for _, w := range frame.Items {
				f.show.add(w)
			}
		}
		if !f.began {
			f.began = true
			f.report(ctx, f.show.history(ctx, remoteLogs{local}, f.q, f.newer))
		} else if frame.Reset {
			f.catchUp(ctx, local)
		}
	case frame.Kind == "log" && f.show.has(frame.ID):
		line := api.LogLine{TS: frame.TS, Stream: frame.Stream, Line: frame.Line}
		if frame.Pos != nil {
			line.Pos = *frame.Pos
			if last, known := f.newer[frame.ID]; known && line.Pos <= last {
				return
			}
			f.newer[frame.ID] = line.Pos
		}
		if f.q.Fits(workerlog.Line{TS: time.UnixMilli(line.TS), Stream: line.Stream, Text: line.Line}) {
			f.show.line(frame.ID, line)
		}
	}
}

// catchUp prints what the files have beyond what was printed.
func (f *follower) catchUp(ctx context.Context, local reached) {
	for _, w := range f.show.targets {
		last, known := f.newer[w.ID]
		if !known {
			last = -1
		}
		r := &logReader{from: remoteLogs{local}, id: w.ID, q: f.q, forward: true}
		r.q.After, r.q.Limit = &last, logsPage
		err := r.fill(ctx)
		for err == nil && len(r.lines) > 0 {
			f.show.line(w.ID, r.lines[0])
			err = r.pop(ctx)
		}
		if err == nil {
			f.newer[w.ID] = r.newer
		}
		f.report(ctx, err)
	}
}

func (f *follower) report(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		f.show.d.notef("The lines so far could not be read: %v\n", err)
	}
}
