package cli

import (
	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

func newDashboardCmd(d *deps) *cobra.Command {
	open, asJSON := false, false
	cmd := &cobra.Command{
		Use:   "dashboard",
		Short: "Print the link that opens the dashboard",
		Long: `Prints the link to the dashboard of this host. The link carries the token that
opens it: do not share it.`,
		Example:           "  pipedai-orchestrator dashboard --open",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			local, err := d.daemon(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.streams.Out, map[string]string{"url": local.dashboardURL()})
			}
			if open {
				// A page of a daemon that is only just starting would show an error.
				if err := local.waitReady(cmd.Context()); err != nil {
					return err
				}
				if err := d.open(local.dashboardURL()); err == nil {
					d.printf("Opening %s in your browser.\n", local.base())
					return nil
				}
			}
			d.printf("%s\n", local.dashboardURL())
			return nil
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "open it in the browser")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("open", "json")
	return cmd
}
