package cli

import (
	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

//go:generate sh -c "go run .. reference >../../../docs/cli/pipeweave.md"

// newReferenceCmd prints the command tree as a document, for `make generate`.
func newReferenceCmd(d *deps) *cobra.Command {
	return &cobra.Command{
		Use: "reference", Short: "Print the reference of all commands as Markdown", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.printf("%s", cliutil.Reference(cmd.Root()))
		},
	}
}
