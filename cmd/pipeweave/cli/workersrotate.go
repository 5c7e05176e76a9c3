package cli

import (
	"context"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

type workersRotateOptions struct {
	remote remote
	worker string
}

func newWorkersRotateCmd(d *deps) *cobra.Command {
	var o workersRotateOptions
	cmd := &cobra.Command{
		Use: "rotate-token WORKER", Short: "Have a worker replace its token", Args: cobra.ExactArgs(1),
		Long: `Ask a worker to replace its token. It does so with its next heartbeat, while it goes
on working: the old token ends once the new one is in use and the runs that were
claimed before have ended. Tokens are also replaced by themselves after
--worker-token-max-age-days.`,
		Example: "  pipeweave workers rotate-token wrk_0abc...",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.worker = args[0]
			return runWorkersRotate(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	return cmd
}

func runWorkersRotate(ctx context.Context, d *deps, o workersRotateOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	session, err := c.Session(ctx)
	if err != nil {
		return err
	}
	if err := c.AskRotation(ctx, session.Workspace, o.worker); err != nil {
		return named(err, "worker", o.worker, "pipeweave workers")
	}
	return d.printf("Worker %s replaces its token with its next heartbeat.\n", cliutil.Printable(o.worker))
}
