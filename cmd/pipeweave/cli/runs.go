package cli

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

type runsOptions struct {
	remote           remote
	pipeline, status string
	limit            int
	json             bool
}

func newRunsCmd(d *deps) *cobra.Command {
	var o runsOptions
	cmd := &cobra.Command{
		Use: "runs", Short: "List pipeline runs, newest first", Args: cobra.NoArgs,
		Example: "  pipeweave runs --pipeline pdf-processor --status failed",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runRuns(cmd.Context(), d, o) },
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.pipeline, "pipeline", "", "only runs of this pipeline")
	cmd.Flags().StringVar(&o.status, "status", "", "only runs in this state")
	cmd.Flags().IntVarP(&o.limit, "limit", "l", 20, "how many, up to 1000")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runRuns(ctx context.Context, d *deps, o runsOptions) error {
	if o.limit < 1 || o.limit > 1000 {
		return cliutil.UsageError("--limit must be between 1 and 1000")
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	filter := url.Values{"limit": {strconv.Itoa(o.limit)}}
	for name, value := range map[string]string{"pipelineId": o.pipeline, "status": o.status} {
		if value != "" {
			filter.Set(name, value)
		}
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
	if page.Total > len(page.Runs) {
		d.notef("%s\n", fmt.Sprintf("%d of %d runs; --limit shows more", len(page.Runs), page.Total))
	}
	return nil
}
