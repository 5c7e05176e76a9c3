package cli

import (
	"context"
	"errors"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// watchRollout follows a rollout until it ends or pauses, with a line on
// standard error whenever a host gets on. The change feed says when to look; the
// rollout itself is what counts, so a lost feed only makes it slower.
func (d *deps) watchRollout(ctx context.Context, c *client.Client, id string) error {
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		followChanges(following, c, func(e api.StreamEvent) bool { return e.Type == "rollout" && (e.ID == id || e.ID == "") }, changed)
	}()
	defer func() { cancel(); <-fed }()

	look := time.NewTimer(0)
	defer look.Stop()
	lines := targetLines{d: d, seen: map[string]string{}, spoke: d.now()}
	failures := 0
	for {
		select {
		case <-ctx.Done():
			d.notef("The rollout goes on. Look again with: pipeweave rollouts status %s\n", id)
			return ctx.Err()
		case <-changed:
		case <-look.C:
		}
		r, err := c.Rollout(ctx, id)
		var refused *api.Error
		switch {
		case err == nil:
			failures = 0
			lines.show(r)
			if r.Status != "running" && r.Status != "aborting" {
				if err := d.showRollout(r); err != nil {
					return err
				}
				return rolloutEnd(r.Rollout)
			}
		case errors.Is(err, context.Canceled):
		case errors.As(err, &refused) && refused.Status != 0 && refused.Status < 500, failures == patience:
			return named(err, "rollout", id, "pipeweave rollouts list")
		default:
			failures++ // the server may be restarting; the rollout is safe in its database
		}
		look.Reset(lookEvery)
	}
}

// targetLines prints what is new about the hosts of a rollout.
type targetLines struct {
	d     *deps
	seen  map[string]string // host to what was said last
	spoke time.Time
}

func (l *targetLines) show(r api.RolloutDetail) {
	width := 12
	for _, t := range r.Targets {
		width = max(width, len(t.Host))
	}
	for _, t := range r.Targets {
		if t.State == "waiting" || t.State == "withdrawn" || t.State == "skipped" {
			continue // no news
		}
		text := targetState(t)
		if t.State != "ordered" { // its detail says how long ago, which is no news
			if detail := targetText(l.d, t); detail != "" {
				text += "  " + detail
			}
		}
		if l.seen[t.HostID] == text {
			continue
		}
		l.seen[t.HostID] = text
		l.spoke = l.d.now()
		l.d.notef("  %-*s  %s\n", width, cliutil.Printable(t.Host), cliutil.Printable(text))
	}
	if l.d.now().Sub(l.spoke) >= quietFor {
		l.spoke = l.d.now()
		l.d.notef("  still %s: %s\n", r.Status, countsText(r.Counts))
	}
}
