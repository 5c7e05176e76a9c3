package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type statusOptions struct {
	remote remote
	id     string
	json   bool
}

func newStatusCmd(d *deps) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use: "status RUN", Short: "Show a pipeline run or a task run", Args: cobra.ExactArgs(1),
		Example: "  pipeweave status prun_0abc...\n  pipeweave status trun_0abc... --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return runStatus(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runStatus(ctx context.Context, d *deps, o statusOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	if strings.HasPrefix(o.id, "trun_") {
		t, err := c.TaskRun(ctx, o.id)
		if err != nil {
			return named(err, "task run", o.id, "pipeweave runs")
		}
		if o.json {
			return cliutil.JSON(d.Out, t)
		}
		return d.printTaskRun(t)
	}
	run, err := c.Run(ctx, o.id)
	if err != nil {
		return named(err, "run", o.id, "pipeweave runs")
	}
	if o.json {
		return cliutil.JSON(d.Out, run)
	}
	if !run.CompletedAt.IsZero() {
		err = d.printOutcome(ctx, c, run)
	} else {
		err = d.printf("Run %s of %s is %s, started %s\n", run.ID, run.PipelineID, run.Status, d.ago(run.CreatedAt))
	}
	if err != nil {
		return err
	}
	var rows [][]string
	for _, t := range run.Tasks {
		took := "-"
		if !t.CompletedAt.IsZero() && !t.StartedAt.IsZero() {
			took = seconds(t.CompletedAt.Sub(t.StartedAt.Time))
		}
		status := t.Status
		if t.SupersededBy != "" {
			status += ", replaced"
		}
		rows = append(rows, []string{t.TaskID, status, fmt.Sprint(t.Attempt), took, t.ID, t.Error})
	}
	if err := d.printf("\n"); err != nil {
		return err
	}
	return cliutil.Table(d.Out, d.Width, []string{"TASK", "STATUS", "ATTEMPT", "TOOK", "ID", "ERROR"}, rows)
}

func (d *deps) printTaskRun(t api.TaskRun) error {
	var text strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&text, "%-10s%s\n", name+":", cliutil.Printable(value))
		}
	}
	line("Task run", t.ID)
	line("Task", fmt.Sprintf("%s (code version %d)", t.TaskID, t.CodeVersion))
	line("Run", t.PipelineRunID)
	line("Status", t.Status)
	line("Replaced", t.SupersededBy)
	line("Attempt", fmt.Sprintf("%d of %d", t.Attempt, t.MaxRetries+1))
	line("Input", t.InputPath)
	line("Output", t.OutputPath)
	line("Logs", t.LogsPath)
	line("Error", t.Error)
	for _, past := range t.PreviousAttempts {
		line("Earlier", fmt.Sprintf("attempt %d: %s", past.Attempt, past.Error))
	}
	return d.printf("%s", text.String())
}
