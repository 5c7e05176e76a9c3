package cli

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

type auditOptions struct {
	remote       remote
	filter       client.AuditFilter
	since, until string
	follow, json bool
}

func newAuditCmd(d *deps) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use: "audit", Short: "Show who did what", Args: cobra.NoArgs,
		Long: `Show what operators and hosts changed or were kept from changing, newest last.
What workers say about their work, and triggers, are not in this log: the runs
have them.`,
		Example: `  pipeweave audit --since 24h
  pipeweave audit --action token
  pipeweave audit --actor ci --action dlq.purge --json
  pipeweave audit --follow`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.filter.Since, err = d.auditTime("since", o.since); err != nil {
				return err
			}
			if o.filter.Until, err = d.auditTime("until", o.until); err != nil {
				return err
			}
			if o.filter.Limit < 1 || o.filter.Limit > 1000 {
				return cliutil.UsageError("--limit must be from 1 to 1000")
			}
			return runAudit(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.filter.Actor, "actor", "", "only of the token or host of this name, or of the token with this id")
	flags.StringVar(&o.filter.Action, "action", "", "only this action (worker.disable), or all of a noun (worker)")
	flags.StringVar(&o.filter.Object, "object", "", "only what was done to the thing with this id")
	flags.StringVar(&o.filter.Workspace, "workspace", "", "only of the workspace with this id")
	flags.StringVar(&o.since, "since", "", "only from then on: a time, a date, or how long ago (2h)")
	flags.StringVar(&o.until, "until", "", "only before then")
	flags.IntVar(&o.filter.Limit, "limit", 100, "how many at most, the newest; with --follow, how many of them at first")
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with what happens, until Ctrl-C")
	flags.BoolVar(&o.json, "json", false, "print JSON; with --follow a line each")
	cmd.MarkFlagsMutuallyExclusive("follow", "until")
	return cmd
}

// auditTime reads an instant, or how long ago one was.
func (d *deps) auditTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return d.now().Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, cliutil.UsageError("--%s %q is no time, no date and not how long ago", flag, text)
}

// auditEvery is the pace of --follow.
const auditEvery = time.Second

func runAudit(ctx context.Context, d *deps, o auditOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	got, err := c.Audit(ctx, o.filter)
	if err != nil {
		return err
	}
	if o.json && !o.follow {
		return cliutil.JSON(d.Out, got)
	}
	if len(got.Items) == 0 && !o.follow {
		return d.printf("No lines. The log has what operators and hosts changed; a filter may leave nothing of it.\n")
	}
	lines := make([]api.AuditLine, 0, len(got.Items))
	for i := len(got.Items) - 1; i >= 0; i-- {
		lines = append(lines, got.Items[i])
	}
	if !o.follow {
		return d.auditTable(lines)
	}
	cursor := int64(0) // with no line so far, all there will be are new
	o.filter.Oldest, o.filter.Limit = true, 1000
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	for {
		for _, l := range lines {
			if err := d.auditLine(l, o.json); err != nil {
				return err
			}
			cursor = l.Seq
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		o.filter.Cursor = strconv.FormatInt(cursor, 10)
		got, err := c.Audit(ctx, o.filter)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		lines = got.Items
	}
}

func (d *deps) auditTable(lines []api.AuditLine) error {
	var rows [][]string
	for _, l := range lines {
		rows = append(rows, auditRow(l))
	}
	return cliutil.Table(d.Out, d.Width, []string{"WHEN", "WHO", "ACTION", "ON", "OUTCOME", "FROM", "DETAIL"}, rows)
}

func auditRow(l api.AuditLine) []string {
	who := first(l.Actor, "-")
	if l.Kind != "" && l.Kind != l.Actor {
		who += " (" + first(l.Role, l.Kind) + ")"
	}
	outcome := l.Outcome
	if l.Code != "" {
		outcome += ": " + l.Code
	}
	return []string{l.At.Local().Format(time.DateTime), who, l.Action, first(l.Object, "-"), outcome, l.Address, l.Detail}
}

// auditLine prints one line as it comes.
func (d *deps) auditLine(l api.AuditLine, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(d.Out).Encode(l)
	}
	row := auditRow(l)
	text := row[0]
	for _, cell := range row[1:] {
		text += "  " + cliutil.Printable(cell)
	}
	return d.printf("%s\n", text)
}
