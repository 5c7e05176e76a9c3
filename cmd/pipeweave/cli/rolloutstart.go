package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// rolloutLimits are the flags of limits; what is not given is the server's
// default.
type rolloutLimits struct {
	canary, unavailable, failures int
	deadline                      time.Duration
}

func (l *rolloutLimits) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&l.canary, "canary", 1, "hosts that go first and alone; all of them succeed before the others begin")
	flags.IntVar(&l.unavailable, "max-unavailable", 1, "hosts that are told at the same time")
	flags.IntVar(&l.failures, "max-failures", 0, "hosts that may fail; one more pauses the rollout")
	flags.DurationVar(&l.deadline, "host-deadline", 2*time.Hour, "how long one host may take, draining included")
}

func (l *rolloutLimits) wire() api.RolloutLimits {
	deadline := int64(l.deadline.Seconds())
	return api.RolloutLimits{Canary: &l.canary, MaxUnavailable: &l.unavailable, MaxFailures: &l.failures, HostDeadlineSec: &deadline}
}

func (l *rolloutLimits) check() error {
	switch {
	case l.canary < 0:
		return cliutil.UsageError("--canary must not be negative")
	case l.unavailable < 1:
		return cliutil.UsageError("--max-unavailable must be at least 1")
	case l.failures < 0:
		return cliutil.UsageError("--max-failures must not be negative")
	case l.deadline < time.Minute:
		return cliutil.UsageError("--host-deadline must be at least 1m")
	}
	return nil
}

// rolloutBegin are the flags of whatever begins a rollout.
type rolloutBegin struct {
	limits      rolloutLimits
	note        string
	dryRun, yes bool
	output      rolloutOutput
}

func (b *rolloutBegin) bind(cmd *cobra.Command) {
	b.limits.bind(cmd)
	b.output.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&b.note, "note", "", "why, for other operators")
	flags.BoolVar(&b.dryRun, "dry-run", false, "only say what would happen")
	flags.BoolVarP(&b.yes, "yes", "y", false, "do not ask, however many hosts are meant")
}

func (b *rolloutBegin) check() error {
	if err := b.limits.check(); err != nil {
		return err
	}
	return b.output.check()
}

type rolloutsStartOptions struct {
	remote               remote
	begin                rolloutBegin
	to, program, channel string
	hosts                []string
	label                string
	forceAfter           time.Duration
}

func newRolloutsStartCmd(d *deps) *cobra.Command {
	var o rolloutsStartOptions
	cmd := &cobra.Command{
		Use: "start --to VERSION", Short: "Bring hosts to a version", Args: cobra.NoArgs,
		Long: `Bring hosts to a published version: those named with --hosts, or every host of the
workspace that is not on it. Hosts that are away wait until they are back. One rollout
of a program is under way at a time.`,
		Example: `  pipeweave rollouts start --to 1.4.0 --dry-run
  pipeweave rollouts start --to 1.4.0 --canary 1 --max-unavailable 2 --max-failures 1 --watch
  pipeweave rollouts start --to 1.4.0 --program pipedai-orchestrator --hosts box-1,box-2`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.to == "" {
				return cliutil.UsageError("--to VERSION is missing; see which there are: pipeweave releases list")
			}
			if err := o.begin.check(); err != nil {
				return err
			}
			return runRolloutsStart(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	o.begin.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.to, "to", "", "the version")
	flags.StringVar(&o.program, "program", api.ProgramWorker, "the program")
	flags.StringVar(&o.channel, "channel", "", "the channel the version is taken from (default: stable, or else any that has it)")
	flags.StringSliceVar(&o.hosts, "hosts", nil, "names or IDs of hosts, in the order of their turns")
	flags.StringVar(&o.label, "label", "", "only hosts whose label matches; * and ? stand for anything")
	flags.DurationVar(&o.forceAfter, "force-after", 0, "stop a worker whose run takes longer than this (default: wait for it)")
	return cmd
}

func runRolloutsStart(ctx context.Context, d *deps, o rolloutsStartOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	req := api.StartRolloutRequest{
		Program: o.program, Version: o.to, Channel: o.channel, Hosts: o.hosts, Label: o.label, RolloutLimits: o.begin.limits.wire(),
		ForceAfterSec: int64(o.forceAfter.Seconds()), Note: o.begin.note,
	}
	fleet := len(o.hosts) == 0 && o.label == ""
	if o.begin.dryRun || fleet && !o.begin.yes {
		plan, err := c.PlanRollout(ctx, req)
		if err != nil {
			return err
		}
		if o.begin.dryRun && o.begin.output.json {
			return cliutil.JSON(d.Out, plan)
		}
		if o.begin.dryRun {
			return d.showPlan(plan)
		}
		if len(plan.Targets) > 0 {
			question := fmt.Sprintf("This brings %s to %s %s, all that are not on it.", hostCount(len(plan.Targets)), plan.Program, plan.Version)
			if err := d.confirm(ctx, o.begin.yes, question, plan.Version); err != nil {
				return err
			}
		}
	}
	r, err := c.StartRollout(ctx, req)
	if err != nil {
		return err
	}
	return d.rolloutStarted(ctx, c, r, o.begin.output)
}

// rolloutStarted says that one began, and follows it where that is wanted.
func (d *deps) rolloutStarted(ctx context.Context, c *client.Client, r api.RolloutDetail, output rolloutOutput) error {
	if output.json {
		return cliutil.JSON(d.Out, r)
	}
	if err := d.printf("Rollout %s: %s to %s on %s, %d at a time.\n", r.ID, r.Program, r.Version, hostCount(len(r.Targets)), r.MaxUnavailable); err != nil {
		return err
	}
	if n := len(r.LeftOut); n > 0 {
		d.notef("Left out: %s; see why: pipeweave rollouts start --to %s --dry-run\n", hostCount(n), r.Version)
	}
	if !output.watch {
		return d.printf("%s\n", nextForRollout(r.Rollout))
	}
	return d.watchRollout(ctx, c, r.ID)
}

// showPlan prints what a rollout would be about.
func (d *deps) showPlan(p api.RolloutPlan) error {
	if err := d.printf("%s %s, from channel %s, would go to %s:\n", p.Program, p.Version, first(p.Channel, "-"), hostCount(len(p.Targets))); err != nil {
		return err
	}
	if r := p.Release; r != nil {
		if err := d.printf("Signed with key %s, good until %s.\n", r.KeyID, r.ExpiresAt.Format(time.DateOnly)); err != nil {
			return err
		}
		for line := range strings.Lines(strings.TrimSpace(r.Notes)) {
			if err := d.printf("| %s\n", cliutil.Printable(strings.TrimRight(line, "\r\n"))); err != nil {
				return err
			}
		}
	}
	var rows [][]string
	for _, t := range p.Targets {
		size := "-"
		if t.Size > 0 {
			size = bytesText(t.Size)
		}
		state := "online"
		if !t.Online {
			state = "offline, would wait"
		}
		rows = append(rows, []string{t.Host, first(strings.Join(t.From, ", "), "-"), t.Version, size, state})
	}
	if len(rows) > 0 {
		if err := cliutil.Table(d.Out, d.Width, []string{"HOST", "FROM", "TO", "SIZE", "STATE"}, rows); err != nil {
			return err
		}
	}
	if len(p.LeftOut) == 0 {
		return nil
	}
	rows = nil
	for _, l := range p.LeftOut {
		rows = append(rows, []string{l.Host, l.Why})
	}
	if err := d.printf("\nLeft out:\n"); err != nil {
		return err
	}
	return cliutil.Table(d.Out, d.Width, []string{"HOST", "WHY"}, rows)
}
