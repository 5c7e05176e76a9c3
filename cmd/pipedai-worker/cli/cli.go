// Package cli is the command line of pipedai-worker: register, run, version.
package cli

import (
	"context"

	"github.com/spf13/cobra"

	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/worker"
)

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
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newRegisterCmd(s, nil), newRunCmd(s, nil), newVersionCmd(s))
	return cliutil.Run(ctx, root, s, args, worker.Explain)
}
