package cliutil

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// NewReferenceCmd is a hidden command that prints the tree as a document, for
// `make generate`, or writes manual pages, for `make man`.
func NewReferenceCmd(s Streams) *cobra.Command {
	man := ""
	cmd := &cobra.Command{
		Use: "reference", Short: "Print the reference of all commands as Markdown", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if man != "" {
				return WriteManual(cmd.Root(), man)
			}
			_, err := io.WriteString(s.Out, Reference(cmd.Root()))
			return err
		},
	}
	cmd.Flags().StringVar(&man, "man", "", "write manual pages into this folder instead")
	return cmd
}

// Reference is the whole command tree as a Markdown document: of each command
// what it is for, how it is called, examples and flags.
func Reference(root *cobra.Command) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s\n\nGenerated from the program by `make generate`. Settings and exit codes: [configuration.md](../configuration.md).\n", root.Name())
	reference(&out, root)
	return out.String()
}

func reference(out *strings.Builder, cmd *cobra.Command) {
	if !cmd.IsAvailableCommand() && cmd.HasParent() {
		return
	}
	fmt.Fprintf(out, "\n## %s\n\n%s.\n", cmd.CommandPath(), strings.TrimSuffix(cmd.Short, "."))
	if cmd.Long != "" {
		fmt.Fprintf(out, "\n%s\n", cmd.Long)
	}
	if cmd.Runnable() {
		fmt.Fprintf(out, "\n```\n%s\n```\n", cmd.UseLine())
	}
	if cmd.Example != "" {
		fmt.Fprintf(out, "\nExamples:\n\n```sh\n%s\n```\n", unindent(cmd.Example))
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if flags := strings.TrimRight(cmd.LocalFlags().FlagUsages(), "\n"); flags != "" {
		fmt.Fprintf(out, "\n```\n%s\n```\n", flags)
	}
	if cmd.Name() == "completion" {
		return // one a shell, and each says the same
	}
	for _, sub := range cmd.Commands() {
		reference(out, sub)
	}
}

func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
