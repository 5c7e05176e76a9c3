package cli

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newDetachCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "detach",
		Short: "End the daemon and leave its workers running",
		Long: `Ends the daemon, as a service too, and leaves its workers running. The next
daemon takes them up again: use it to move from a terminal to a service, say.`,
		Example: `  pipedai-orchestrator detach && pipedai-orchestrator install --user`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDetach(cmd.Context(), d, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runDetach(ctx context.Context, d *deps, asJSON bool) error {
	if runtime.GOOS == "windows" {
		return cliutil.UsageError("on Windows workers end with their daemon")
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	answer, err := local.Detach(ctx, api.LeaveRequest{Reason: "detach on the command line"})
	if err != nil {
		return err
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, answer)
	}
	d.printf("The daemon (pid %d) ends and leaves its workers running: %d. Take them up again: %s\n",
		answer.PID, answer.Workers, d.command("start"))
	return nil
}
