package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/daemon/remote"
	"pipedai/internal/buildinfo"
	"pipedai/internal/lifecycle"
	"pipedai/internal/secret"
)

// Trial is what a daemon does that is only tried, before it takes the place of
// another version: everything up to looking after the workers, and not that. It
// takes the lock, the port, the manifest and the workers' output, and asks the
// control planes; it starts, stops and decides nothing, and lets go again when
// its context ends.
type Trial struct {
	Order launch.Order
	// Say is told every stage that is reached.
	Say func(launch.Word)
}

// say tells a stage to whoever tries this version; otherwise nobody.
func (o *Options) say(stage launch.Stage) {
	if o.Trial != nil {
		o.Trial.Say(launch.Word{Stage: stage, Version: buildinfo.Version()})
	}
}

// try is run of a daemon that is only tried. It returns when ctx ends.
func (h *host) try(ctx context.Context) error {
	var parts lifecycle.Group
	parts.Add("supervisor", h.supervisor.Run)
	parts.Add("remote", h.remote.Run)
	parts.Add("trial", h.prove)
	return parts.Run(ctx)
}

// prove looks after each change whether all is as it was with the daemon before,
// and says so once.
func (h *host) prove(ctx context.Context) error {
	if _, err := h.reload(ctx); err != nil {
		return fmt.Errorf("take up the workers: %w", err)
	}
	order, attached, waiting := h.o.Trial.Order, false, ""
	for {
		workers, missing := h.watched(order.Workers)
		if !attached && len(missing) == 0 {
			attached = true
			h.o.Trial.Say(launch.Word{Stage: launch.StageWorkers, Version: buildinfo.Version(), Workers: workers})
		}
		away := h.away(order.Links)
		why := errors.Join(append(missing, away...)...)
		if why == nil {
			h.o.Trial.Say(launch.Word{Stage: launch.StageHealthy, Version: buildinfo.Version(), Workers: workers})
			<-ctx.Done()
			return nil
		}
		if text := why.Error(); text != waiting {
			waiting = text
			h.o.Trial.Say(launch.Word{Stage: launch.StageWaiting, Version: buildinfo.Version(), Error: text})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.dirty:
		}
	}
}

// watched lists the processes that are watched, and what is wrong with those
// that should be. One that has ended meanwhile is not missing: that is for the
// daemon to see.
func (h *host) watched(want []launch.Proc) (have []launch.Proc, missing []error) {
	for _, p := range want {
		s, known := h.supervisor.Status(p.ID)
		switch {
		case known && s.PID == p.PID:
			have = append(have, p)
		case known && s.PID == 0 && s.LastError == "" && s.LastExit != nil:
		case known && s.LastError != "":
			missing = append(missing, fmt.Errorf("worker %s: %s", p.ID, s.LastError))
		default:
			missing = append(missing, fmt.Errorf("the process %d of worker %s was not found", p.PID, p.ID))
		}
	}
	return have, missing
}

// away lists the control planes that do not answer. One that revoked this host
// meanwhile is no fault of the version that asks.
func (h *host) away(want []launch.Link) (out []error) {
	planes := h.remote.Planes()
	for _, l := range want {
		err := fmt.Errorf("%s was not heard yet", l.APIURL)
		for _, p := range planes {
			switch {
			case p.APIURL != l.APIURL || p.WorkspaceID != l.WorkspaceID || p.Pool != l.Pool:
			case p.Err != "":
				err = fmt.Errorf("%s: %s", p.APIURL, p.Err)
			case !p.OKAt.IsZero():
				err = nil
			}
		}
		if err != nil && h.revokedBy(remote.Plane{APIURL: l.APIURL, WorkspaceID: l.WorkspaceID, Pool: l.Pool}).IsZero() {
			out = append(out, err)
		}
	}
	return out
}

// checksInWith is what this host checks in with. One that is only tried does not:
// it takes no orders, and tells nobody that it is another version.
func (h *host) checksInWith() func(string, string) (secret.Text, error) {
	if h.o.Trial != nil {
		return nil
	}
	return h.hostCredential
}

// order is what the next version has to do as well as this one: the control
// planes that answer, and the processes that run.
func (h *host) order() launch.Order {
	o := launch.Order{Links: []launch.Link{}, Workers: []launch.Proc{}}
	for _, p := range h.remote.Planes() {
		if !p.OKAt.IsZero() && p.Err == "" {
			o.Links = append(o.Links, launch.Link{APIURL: p.APIURL, WorkspaceID: p.WorkspaceID, Pool: p.Pool})
		}
	}
	for _, s := range h.supervisor.Statuses() {
		if s.PID != 0 {
			o.Workers = append(o.Workers, launch.Proc{ID: s.ID, PID: s.PID})
		}
	}
	return o
}

// NewTrial reads what a version that is tried has to do from in, and has it say
// how far it is to out. letGo is called when in ends: the daemon that
// tries it wants everything back, or is gone.
func NewTrial(in io.Reader, out io.Writer, letGo func()) (*Trial, error) {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("read what is to be tried: %w", err)
	}
	t := &Trial{}
	if err := json.Unmarshal(line, &t.Order); err != nil {
		return nil, fmt.Errorf("read what is to be tried: %w", err)
	}
	var mu sync.Mutex
	t.Say = func(w launch.Word) {
		w.At = api.At(time.Now())
		data, err := json.Marshal(w)
		if err != nil {
			return // a word always encodes
		}
		mu.Lock()
		defer mu.Unlock()
		_, _ = out.Write(append(data, '\n')) // nobody may listen any more
	}
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, lines)
		letGo()
	}()
	return t, nil
}
