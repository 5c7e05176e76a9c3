package cli

import (
	"context"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

type runsOptions struct {
	remote           remote
	pipeline, status string
	version          string
	page             pageOptions
	json             bool
}

func newRunsCmd(d *deps) *cobra.Command {
	var o runsOptions
	cmd := &cobra.Command{
		Use: "runs", Short: "List pipeline runs, newest first", Args: cobra.NoArgs,
		Example: "  pipeweave runs --pipeline pdf-processor --status failed\n  pipeweave runs --pipeline pdf-processor --version 1.4.0",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runRuns(cmd.Context(), d, o) },
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.pipeline, "pipeline", "", "only runs of this pipeline")
	cmd.Flags().StringVar(&o.status, "status", "", "only runs in this state")
	cmd.Flags().StringVar(&o.version, "version", "", "only runs of this version of the pipeline")
	o.page.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.AddCommand(newRunsEventsCmd(d))
	return cmd
}

func runRuns(ctx context.Context, d *deps, o runsOptions) error {
	filter, err := o.page.query(map[string]string{"pipelineId": o.pipeline, "status": o.status, "version": o.version})
	if err != nil {
		return err
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	page, err := c.Runs(ctx, filter)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, page)
	}
	if len(page.Runs) == 0 {
		return d.printf("No runs. Start one with: pipeweave trigger PIPELINE --wait\n")
	}
	var rows [][]string
	for _, r := range page.Runs {
		took := "-"
		if !r.CompletedAt.IsZero() {
			took = seconds(r.CompletedAt.Sub(r.CreatedAt.Time))
		}
		rows = append(rows, []string{r.ID, r.PipelineID, r.Status, d.ago(r.CreatedAt), took})
	}
	if err := cliutil.Table(d.Out, d.Width, []string{"RUN", "PIPELINE", "STATUS", "STARTED", "TOOK"}, rows); err != nil {
		return err
	}
	d.noteRest(o.page, len(page.Runs), page.Total)
	return nil
}
