// Package cli is the command line of pipedai-worker: register, run, version.
package cli

import (
	"context"

	"github.com/spf13/cobra"

	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/worker"
)

//go:generate sh -c "go run .. reference >../../../docs/cli/pipedai-worker.md"

// Main runs the program and returns its exit code.
func Main(ctx context.Context, args []string, s cliutil.Streams) int {
	ctx, stop := cliutil.Signals(ctx)
	defer stop()
	return Execute(ctx, args, s)
}

// Execute is Main without the signals: ctx ends what runs long.
func Execute(ctx context.Context, args []string, s cliutil.Streams) int {
	root := &cobra.Command{
		Use:     "pipedai-worker",
		Short:   "Do the tasks of pipelines on this host",
		Version: buildinfo.Version(),
		Args:    cobra.NoArgs,
		Long: `Does the tasks of pipelines: claims work, runs the programs of its task files on
it, stores what they make and reports. The daemon of the host, pipedai-orchestrator,
starts and watches it; a person can run it by hand just as well.`,
		Example: `  pipedai-worker register --token-stdin --api-url http://127.0.0.1:3000 --config worker.json < code.txt
  pipedai-worker run --config worker.json --tasks ./pdf-processor.yaml`,
		DisableAutoGenTag: true,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newRegisterCmd(s, nil), newRunCmd(s, nil), newVersionCmd(s), cliutil.NewReferenceCmd(s))
	cliutil.Look(root, "Learn more: pipedai-worker <command> --help")
	return cliutil.Run(ctx, root, s, args, worker.Explain)
}
