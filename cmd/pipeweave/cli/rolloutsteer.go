package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type rolloutsSteerOptions struct {
	remote   remote
	verb, id string
	note     string
	retry    bool
	output   rolloutOutput
}

func newRolloutsSteerCmd(d *deps, verb, short string) *cobra.Command {
	o := rolloutsSteerOptions{verb: verb}
	cmd := &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			if err := o.output.check(); err != nil {
				return err
			}
			return runRolloutsSteer(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.note, "note", "", "why, for other operators")
	if verb == "resume" {
		cmd.Flags().BoolVar(&o.retry, "retry", false, "try again those that failed or refused (default: go on without them)")
		o.output.bind(cmd)
	} else {
		o.output.bindJSON(cmd)
	}
	return cmd
}

func runRolloutsSteer(ctx context.Context, d *deps, o rolloutsSteerOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	do := map[string]func(context.Context, string, api.SteerRolloutRequest) (api.RolloutDetail, error){
		"pause": c.PauseRollout, "resume": c.ResumeRollout, "abort": c.AbortRollout,
	}[o.verb]
	r, err := do(ctx, o.id, api.SteerRolloutRequest{Note: o.note, Retry: o.retry})
	if err != nil {
		return named(err, "rollout", o.id, "pipeweave rollouts list")
	}
	if o.output.json {
		return cliutil.JSON(d.Out, r)
	}
	if err := d.printf("Rollout %s is %s: %s.\n%s\n", r.ID, r.Status, countsText(r.Counts), nextForRollout(r.Rollout)); err != nil {
		return err
	}
	if o.output.watch {
		return d.watchRollout(ctx, c, r.ID)
	}
	return nil
}

type rolloutsRollbackOptions struct {
	remote remote
	begin  rolloutBegin
	id     string
}

func newRolloutsRollbackCmd(d *deps) *cobra.Command {
	var o rolloutsRollbackOptions
	cmd := &cobra.Command{
		Use: "rollback ID", Short: "Take the hosts of a rollout back to the versions they came from", Args: cobra.ExactArgs(1),
		Long: `Take every host that a rollout changed back to the version it came from, by a new
rollout; the last to change is the first to go back. One that goes on is aborted first.`,
		Example: "  pipeweave rollouts rollback roll_0123456789abcdef --max-unavailable 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			if err := o.begin.check(); err != nil {
				return err
			}
			return runRolloutsRollback(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	o.begin.bind(cmd)
	return cmd
}

func runRolloutsRollback(ctx context.Context, d *deps, o rolloutsRollbackOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	req := api.RollbackRequest{RolloutLimits: o.begin.limits.wire(), Note: o.begin.note}
	if o.begin.dryRun || !o.begin.yes {
		plan, err := c.PlanRollback(ctx, o.id, req)
		if err != nil {
			return named(err, "rollout", o.id, "pipeweave rollouts list")
		}
		switch {
		case o.begin.dryRun && o.begin.output.json:
			return cliutil.JSON(d.Out, plan)
		case o.begin.dryRun:
			return d.showPlan(plan)
		case len(plan.Targets) > 1:
			question := fmt.Sprintf("This takes %s back to %s %s.", hostCount(len(plan.Targets)), plan.Program, plan.Version)
			if err := d.confirm(ctx, o.begin.yes, question, plan.Version); err != nil {
				return err
			}
		}
	}
	r, err := c.RollBack(ctx, o.id, req)
	if err != nil {
		return named(err, "rollout", o.id, "pipeweave rollouts list")
	}
	return d.rolloutStarted(ctx, c, r, o.begin.output)
}
