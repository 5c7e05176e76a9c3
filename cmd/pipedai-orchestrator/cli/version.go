package cli

import (
	"github.com/spf13/cobra"

	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

func newVersionCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Print the version",
		Example:           "  pipedai-orchestrator version --json",
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return cliutil.JSON(d.streams.Out, buildinfo.Get())
			}
			d.printf("%s %s\n", program, buildinfo.Version())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
