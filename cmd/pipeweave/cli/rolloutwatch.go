package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// rolloutOutput are the flags of how a rollout is shown: followed by a person,
// or as JSON for a program.
type rolloutOutput struct{ watch, json bool }

func (o *rolloutOutput) bind(cmd *cobra.Command) {
	o.bindJSON(cmd)
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "follow it until it ends or pauses")
}

func (o *rolloutOutput) bindJSON(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func (o *rolloutOutput) check() error {
	if o.watch && o.json {
		return cliutil.UsageError("--watch and --json cannot be given together; GET /api/stream tells programs of changes")
	}
	return nil
}

// watchRollout follows a rollout until it ends or pauses, with a line on
// standard error whenever a host gets on.
func (d *deps) watchRollout(ctx context.Context, c *client.Client, id string) error {
	lines := targetLines{d: d, seen: map[string]string{}, spoke: d.now()}
	r, err := following[api.RolloutDetail]{
		concerns: func(e api.StreamEvent) bool { return e.Type == "rollout" && (e.ID == id || e.ID == "") },
		look:     func(ctx context.Context) (api.RolloutDetail, error) { return c.Rollout(ctx, id) },
		show: func(r api.RolloutDetail) bool {
			lines.show(r)
			return r.Status != "running" && r.Status != "aborting"
		},
	}.run(ctx, c)
	switch {
	case err != nil && ctx.Err() != nil:
		d.notef("The rollout goes on. Look again with: pipeweave rollouts status %s\n", id)
		return err
	case err != nil:
		return named(err, "rollout", id, "pipeweave rollouts list")
	}
	if err := d.showRollout(r); err != nil {
		return err
	}
	return rolloutEnd(r.Rollout)
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
