package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newRolloutsCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rollouts", Short: "Bring hosts to a version, a few at a time", Args: cobra.NoArgs,
		Long: `Bring the hosts of the workspace to a version of a program, a few at a time. Each host
drains and upgrades its workers by itself and reports; a rollout stops when more hosts
fail than it may cost.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRolloutsStartCmd(d), newRolloutsListCmd(d), newRolloutsStatusCmd(d),
		newRolloutsSteerCmd(d, "pause", "Give no new orders; what is out goes on"),
		newRolloutsSteerCmd(d, "resume", "Go on with a rollout that is paused"),
		newRolloutsSteerCmd(d, "abort", "End a rollout and take back what is out"),
		newRolloutsRollbackCmd(d))
	return cmd
}

type rolloutsListOptions struct {
	remote remote
	limit  int
	json   bool
}

func newRolloutsListCmd(d *deps) *cobra.Command {
	var o rolloutsListOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List rollouts, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRolloutsList(cmd.Context(), d, o) },
	}
	o.remote.bind(cmd)
	cmd.Flags().IntVar(&o.limit, "limit", 20, "how many at most")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runRolloutsList(ctx context.Context, d *deps, o rolloutsListOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	all, err := c.Rollouts(ctx, o.limit)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, all)
	}
	if len(all.Items) == 0 {
		return d.printf("No rollouts. Begin one with: pipeweave rollouts start --to VERSION\n")
	}
	var rows [][]string
	for _, r := range all.Items {
		rows = append(rows, []string{
			r.ID, r.Program, rolloutVersion(r), r.Status, fmt.Sprintf("%d/%d", r.Counts.Succeeded, r.Counts.Total), fmt.Sprint(r.Counts.Failed),
			r.CreatedBy, d.ago(r.CreatedAt),
		})
	}
	return cliutil.FitTable(d.Out, d.Width, []cliutil.Column{
		{Head: "ID"}, {Head: "PROGRAM", Spare: 2}, {Head: "TO"}, {Head: "STATUS"}, {Head: "DONE"}, {Head: "FAILED"}, {Head: "BY", Spare: 3}, {Head: "STARTED", Spare: 1},
	}, rows, false)
}

func rolloutVersion(r api.Rollout) string {
	if r.Kind == "rollback" {
		return r.Version + " (back)"
	}
	return r.Version
}

type rolloutsStatusOptions struct {
	remote remote
	id     string
	output rolloutOutput
}

func newRolloutsStatusCmd(d *deps) *cobra.Command {
	var o rolloutsStatusOptions
	cmd := &cobra.Command{
		Use: "status [ID]", Short: "Show a rollout and what each host does; the newest without an ID", Args: cobra.MaximumNArgs(1),
		Example: "  pipeweave rollouts status --watch",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.id = args[0]
			}
			if err := o.output.check(); err != nil {
				return err
			}
			return runRolloutsStatus(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	o.output.bind(cmd)
	return cmd
}

func runRolloutsStatus(ctx context.Context, d *deps, o rolloutsStatusOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	if o.id == "" {
		all, err := c.Rollouts(ctx, 1)
		if err != nil {
			return err
		}
		if len(all.Items) == 0 {
			return cliutil.Failf(cliutil.ExitFailed, "begin one: pipeweave rollouts start --to VERSION", "there are no rollouts")
		}
		o.id = all.Items[0].ID
	}
	if o.output.watch {
		return d.watchRollout(ctx, c, o.id)
	}
	r, err := c.Rollout(ctx, o.id)
	if err != nil {
		return named(err, "rollout", o.id, "pipeweave rollouts list")
	}
	if o.output.json {
		return cliutil.JSON(d.Out, r)
	}
	return d.showRollout(r)
}

// showRollout prints a rollout, its hosts and what to do next.
func (d *deps) showRollout(r api.RolloutDetail) error {
	what := "to " + r.Version
	if r.Kind == "rollback" {
		what = "back to " + r.Version + ", from rollout " + r.RollbackOf
	}
	lines := []string{
		fmt.Sprintf("Rollout   %s", r.ID),
		fmt.Sprintf("Program   %s %s (channel %s)", r.Program, what, first(r.Channel, "-")),
		fmt.Sprintf("Status    %s", r.Status),
	}
	if r.Reason != "" {
		lines[2] += ": " + r.Reason
	}
	lines = append(lines,
		fmt.Sprintf("Hosts     %s", countsText(r.Counts)),
		fmt.Sprintf("Limits    %d canary, %d at a time, %d may fail, %s for each host", r.Canary, r.MaxUnavailable, r.MaxFailures, seconds(time.Duration(r.HostDeadlineSec)*time.Second)),
		fmt.Sprintf("Started   %s%s", d.ago(r.CreatedAt), byText(r.CreatedBy, r.Note)))
	for _, line := range lines {
		if err := d.printf("%s\n", cliutil.Printable(line)); err != nil {
			return err
		}
	}
	if err := d.printf("\n"); err != nil {
		return err
	}
	var rows [][]string
	for _, t := range r.Targets {
		rows = append(rows, []string{t.Host, targetState(t), first(strings.Join(t.From, ", "), "-"), t.Version, targetText(d, t)})
	}
	if err := cliutil.FitTable(d.Out, d.Width, []cliutil.Column{{Head: "HOST"}, {Head: "STATE"}, {Head: "FROM", Spare: 1}, {Head: "TO", Spare: 2}, {Head: "DETAIL"}}, rows, false); err != nil {
		return err
	}
	return d.printf("\n%s\n", nextForRollout(r.Rollout))
}

func byText(by, note string) string {
	out := ""
	if by != "" {
		out = " by " + by
	}
	if note != "" {
		out += ": " + note
	}
	return out
}

// countsText sums a rollout up in words, leaving out what is not there.
func countsText(c api.RolloutCounts) string {
	parts := []string{fmt.Sprintf("%d of %d done", c.Succeeded, c.Total)}
	for _, p := range []struct {
		n    int
		what string
	}{{c.Failed, "failed"}, {c.Refused, "refused"}, {c.Out, "under way"}, {c.Waiting - c.Offline, "waiting"}, {c.Offline, "offline"}, {c.Withdrawn, "withdrawn"}, {c.Skipped, "skipped"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

func targetState(t api.RolloutTarget) string {
	state := t.State
	if t.State == "waiting" && !t.Online {
		state = "offline"
	}
	if t.Canary {
		state += " (canary)"
	}
	return state
}

// targetText is what a person wants to know of one host.
func targetText(d *deps, t api.RolloutTarget) string {
	var parts []string
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	switch t.State {
	case "waiting":
		if !t.Online {
			add("heard of last " + d.ago(t.LastSeenAt))
		}
	case "ordered":
		add("told " + d.ago(t.OrderedAt))
	case "running", "withdrawing":
		if t.Progress > 0 {
			add(fmt.Sprintf("%d%%", t.Progress))
		}
		add(t.Step)
		add(t.Message)
		if !t.Online {
			add("heard of last " + d.ago(t.LastSeenAt))
		}
	default:
		add(t.Error)
		if t.Forgiven {
			add("forgiven")
		}
	}
	return strings.Join(parts, " · ")
}

// nextForRollout is what to do about a rollout.
func nextForRollout(r api.Rollout) string {
	switch r.Status {
	case "running":
		return "Next: pipeweave rollouts status --watch " + r.ID
	case "paused":
		return "Next: pipeweave rollouts resume " + r.ID + " (--retry tries again what failed), abort or rollback"
	case "aborting":
		return "Hosts that were told finish or take it back. Next: pipeweave rollouts status --watch " + r.ID
	case "failed":
		return "Next: pipeweave rollouts resume --retry " + r.ID + ", or pipeweave rollouts rollback " + r.ID
	case "aborted":
		return "Take back what was done: pipeweave rollouts rollback " + r.ID
	}
	return "To go back: pipeweave rollouts rollback " + r.ID
}

// rolloutEnd is the exit code of a rollout that somebody waited for.
func rolloutEnd(r api.Rollout) error {
	switch r.Status {
	case "succeeded":
		return nil
	case "paused":
		return cliutil.Fail(cliutil.ExitFailed, errors.New("the rollout paused: "+first(r.Reason, "somebody paused it")), "see: pipeweave rollouts status "+r.ID)
	}
	text := "the rollout " + r.Status
	if r.Status == "aborted" {
		text = "the rollout was aborted"
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return cliutil.Fail(cliutil.ExitFailed, errors.New(text), "see: pipeweave rollouts status "+r.ID)
}

// hostCount is a number of hosts, for people.
func hostCount(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}
