package cli

import (
	"context"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

func newPoolCmd(d *deps) *cobra.Command {
	list := poolOptions{}
	cmd := &cobra.Command{
		Use: "pool", Short: "See the workers of the pool, disable and delete them", Args: cobra.NoArgs,
		Long: `See the workers of the pool and switch them. They belong to no workspace and take
work of all of them; admins of the default workspace keep the pool. A worker is named
by its id, its label or its hostname. "pipeweave tokens create NAME --kind pool" admits
another one.`,
		Example: "  pipeweave pool --json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runPoolList(cmd.Context(), d, list) },
	}
	list.bind(cmd)
	cmd.AddCommand(newPoolListCmd(d), newWorkersShowCmd(d, ofPool), newWorkersDisableCmd(d, ofPool), newWorkersEnableCmd(d, ofPool), newWorkersDeleteCmd(d, ofPool))
	return cmd
}

type poolOptions struct {
	remote remote
	json   bool
}

func (o *poolOptions) bind(cmd *cobra.Command) {
	o.remote.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func newPoolListCmd(d *deps) *cobra.Command {
	var o poolOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List the workers of the pool by hostname", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPoolList(cmd.Context(), d, o) },
	}
	o.bind(cmd)
	return cmd
}

func runPoolList(ctx context.Context, d *deps, o poolOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	pool, err := c.KeptPoolWorkers(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, pool)
	}
	if len(pool.Items) == 0 {
		return d.printf("The pool is empty. A token admits one worker: pipeweave tokens create NAME --kind pool\n")
	}
	return d.workerTable(pool.Items)
}
