package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

func newCancelCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "cancel RUN", Short: "Cancel a pipeline run, or a task run of none", Args: cobra.ExactArgs(1),
		Long: `Cancel a pipeline run, or a task run that is part of none (trun_...). What waits is
cancelled at once; workers are asked to stop what they run, and its results are not
used any more.`,
		Example: "  pipeweave cancel prun_0abc...",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			if strings.HasPrefix(args[0], "trun_") {
				t, err := c.CancelTaskRun(cmd.Context(), args[0])
				if err != nil {
					return named(conflicting(err, "pipeweave status "+args[0]), "task run", args[0], "pipeweave queue items")
				}
				if asJSON {
					return cliutil.JSON(d.Out, t)
				}
				if t.Status == "running" {
					return d.printf("Task run %s of %s is asked to stop.\n", t.ID, t.TaskID)
				}
				return d.printf("Task run %s of %s is %s.\n", t.ID, t.TaskID, t.Status)
			}
			run, err := c.CancelRun(cmd.Context(), args[0])
			if err != nil {
				return named(conflicting(err, "pipeweave status "+args[0]), "run", args[0], "pipeweave runs")
			}
			if asJSON {
				return cliutil.JSON(d.Out, run)
			}
			return d.printf("Run %s of %s is %s.\n", run.ID, run.PipelineID, run.Status)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
