package cli

import (
	"github.com/spf13/cobra"

	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

func newVersionCmd(d *deps) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return cliutil.JSON(d.Out, buildinfo.Get())
			}
			return d.printf("pipeweave %s\n", buildinfo.Version())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
