package cli

import (
	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newWorkersCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "workers", Short: "List the workers of enrolled hosts", Args: cobra.NoArgs,
		Example: "  pipeweave workers --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			session, err := c.Session(cmd.Context())
			if err != nil {
				return err
			}
			workers, err := c.Workers(cmd.Context(), session.Workspace)
			if err != nil {
				return err
			}
			if asJSON {
				if workers == nil {
					workers = []api.RemoteWorker{}
				}
				return cliutil.JSON(d.Out, api.RemoteWorkers{Items: workers})
			}
			if len(workers) == 0 {
				return d.printf("No workers. A host joins with: pipedai-orchestrator connect --api-url %s\n", c.BaseURL())
			}
			var rows [][]string
			for _, w := range workers {
				rows = append(rows, []string{w.ID, first(w.Label, w.Hostname), w.DerivedStatus, deref(w.CurrentRunID), deref(w.Version), d.ago(w.LastSeenAt)})
			}
			return cliutil.Table(d.Out, d.Width, []string{"ID", "HOST", "STATUS", "RUN", "VERSION", "LAST SEEN"}, rows)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(newWorkersRotateCmd(d))
	return cmd
}

func deref(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}
