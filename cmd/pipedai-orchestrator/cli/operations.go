package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type operationsOptions struct {
	limit int
	json  bool
}

func newOperationsCmd(d *deps) *cobra.Command {
	o := operationsOptions{}
	cmd := &cobra.Command{
		Use: "operations [id]", Aliases: []string{"ops"}, Short: "What the daemon is doing that takes long, and what it did",
		Long: `Lists long actions, newest first: builds, deletions, and what is agreed with the
control plane. Each has a journal on disk; a daemon that was killed in the middle
goes on, or takes back, when it starts again. With an id, tells about one.`,
		Example: `  pipedai-orchestrator operations
  pipedai-orchestrator operations cancel op_abc`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runOperations(cmd.Context(), d, o, args) },
	}
	cmd.Flags().IntVar(&o.limit, "limit", 20, "how many to list, up to 200")
	cmd.PersistentFlags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.AddCommand(&cobra.Command{
		Use: "cancel <id>", Short: "Have a long action taken back",
		Long: `Asks the daemon to take back a long action: what it did so far is undone. It is
too late for that when the last steps have begun.`,
		Example: "  pipedai-orchestrator operations cancel op_abc",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			local, err := d.daemon(cmd.Context())
			if err != nil {
				return err
			}
			op, err := local.CancelOperation(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if o.json {
				return cliutil.JSON(d.streams.Out, op)
			}
			d.printf("%s is being taken back; see: %s\n", op.ID, d.command("operations "+op.ID))
			return nil
		},
	})
	return cmd
}

func runOperations(ctx context.Context, d *deps, o operationsOptions, args []string) error {
	if o.limit < 1 || o.limit > 200 {
		return cliutil.UsageError("--limit must be between 1 and 200")
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	if len(args) == 1 {
		op, err := local.Operation(ctx, args[0])
		if err != nil {
			return err
		}
		if o.json {
			return cliutil.JSON(d.streams.Out, op)
		}
		d.showOperation(op)
		return nil
	}
	ops, err := local.Operations(ctx, o.limit)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.streams.Out, api.Operations{Items: ops})
	}
	if len(ops) == 0 {
		d.notef("Nothing that takes long was done on this host yet.\n")
		return nil
	}
	names := labels(ctx, local)
	rows := make([][]string, 0, len(ops))
	for _, op := range ops {
		rows = append(rows, []string{op.ID, op.Kind, orDash(names.of(op.WorkerID)), operationText(op), humanDuration(time.Since(op.StartedAt.Time))})
	}
	return cliutil.Table(d.streams.Out, d.streams.Width, []string{"ID", "KIND", "WORKER", "STATUS", "AGE"}, rows)
}

// names are the labels of workers by their ids.
type names map[string]string

// labels asks for the names of the workers that there are. Without an answer
// ids have to do.
func labels(ctx context.Context, local reached) names {
	out := names{}
	workers, err := local.Workers(ctx)
	if err != nil {
		return out
	}
	for _, w := range workers {
		out[w.ID] = w.Label
	}
	return out
}

// of names a worker; one that was removed has only its id.
func (n names) of(id string) string {
	if label := n[id]; label != "" {
		return label
	}
	return id
}

func operationText(op api.Operation) string {
	switch {
	case op.Status != "running":
		return op.Status
	case op.Undoing:
		return "going back: " + op.Step
	default:
		return fmt.Sprintf("%s (%d %%)", op.Step, op.Progress)
	}
}

func (d *deps) showOperation(op api.Operation) {
	d.printf("%s  %s  %s\n", op.ID, op.Kind, operationText(op))
	row := func(name, value string) {
		if value != "" {
			d.printf("  %-9s %s\n", name, cliutil.Printable(value))
		}
	}
	row("worker", op.WorkerID)
	row("asked by", op.AskedBy)
	row("started", op.StartedAt.String())
	row("ended", op.EndedAt.String())
	row("doing", op.Message)
	row("error", op.Error)
	row("fix", op.Fix)
	if op.Cancellable {
		d.printf("Take it back: %s\n", d.command("operations cancel "+op.ID))
	}
}
