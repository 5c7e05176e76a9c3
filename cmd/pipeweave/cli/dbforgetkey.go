package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
	"pipedai/store"
)

type forgetKeyOptions struct {
	database databaseFlags
	key      string
	json     bool
}

// newForgetKeyCmd is here and not among the routes: no token may do what no
// signature allows. It takes who can write to the database.
func newForgetKeyCmd(d *deps) *cobra.Command {
	var o forgetKeyOptions
	cmd := &cobra.Command{
		Use: "forget-release-key KEY", Short: "Give up the release key when its private half is lost", Args: cobra.ExactArgs(1),
		Long: `Give up the release key, named by its id, when its private half is lost, or somebody
else has it. Nothing that it signed is offered any more, and a new first key can be
set. Hosts that trust the old key refuse the new one until their owner tells them
otherwise: see docs/releases.md.`,
		Example: "  pipeweave releases keys\n  pipeweave db forget-release-key 0123456789abcdef",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.key = args[0]
			return runForgetKey(cmd.Context(), d, o)
		},
	}
	o.database.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runForgetKey(ctx context.Context, d *deps, o forgetKeyOptions) error {
	st, err := o.database.open(ctx, d)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }() // everything is committed
	if err := st.CheckSchema(ctx); err != nil {
		return schemaError(err, st.Info().Target)
	}
	left, err := st.ForgetReleaseKeys(ctx, o.key)
	if errors.Is(err, store.ErrConflict) {
		return cliutil.Failf(cliutil.ExitConflict, "see: pipeweave releases keys", "the release key is not %s", o.key)
	}
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, map[string]any{"keyId": o.key, "releases": left})
	}
	return d.printf("The release key %s is given up. Releases to publish again with the next one: %d\nNext: pipeweave releases keygen release.key\n", o.key, left)
}
