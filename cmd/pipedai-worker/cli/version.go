package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

func newVersionCmd(s cliutil.Streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs, Example: "  pipedai-worker version --json",
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return cliutil.JSON(s.Out, buildinfo.Get())
			}
			_, err := fmt.Fprintln(s.Out, buildinfo.Version())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything known of the build as JSON")
	return cmd
}
