package cli

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/enroll"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

func newTokenCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Replace the token of the local API",
		Long: `The local API and the dashboard of this host open with one token, which stays on
this machine. Tokens for control planes are another matter: see tokens.`,
		Example: `  pipedai-orchestrator token rotate`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	asJSON := false
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new token and close what the old one opened",
		Long: `Makes a new token for the local API. A running daemon takes it up at once: it
answers the old one with 401 and closes every dashboard that was opened with it.
Workers and control planes notice nothing.`,
		Example: `  pipedai-orchestrator token rotate
  pipedai-orchestrator dashboard --open    # with the new one`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTokenRotate(cmd.Context(), d, asJSON) },
	}
	rotate.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(rotate)
	return cmd
}

// tokenRotated is what "token rotate --json" prints: never the token.
type tokenRotated struct {
	Rotated bool `json:"rotated"`
	Daemon  bool `json:"daemon"` // a running daemon has taken it up
}

func runTokenRotate(ctx context.Context, d *deps, asJSON bool) error {
	dir, err := d.dir()
	if err != nil {
		return err
	}
	_, err = enroll.ReplaceLocalToken(dir.Credentials())
	if errors.Is(err, enroll.ErrNoCredentials) {
		return cliutil.Failf(cliutil.ExitNotRunning, "start the daemon, which makes one: "+d.command("start"), "this host has no token yet")
	}
	if err != nil {
		return d.explainHome(err)
	}
	taken, err := tokenTaken(ctx, d)
	if err != nil {
		return cliutil.Fail(cliutil.ExitFailed, err, "the new token is in the file; have the daemon read it: "+d.command("restart"))
	}
	if asJSON {
		return cliutil.JSON(d.streams.Out, tokenRotated{Rotated: true, Daemon: taken})
	}
	d.printf("The token of the local API is a new one.\n")
	if taken {
		d.printf("Dashboards that were open are closed. Open one again: %s\n", d.command("dashboard --open"))
	}
	return nil
}

// tokenWait bounds how long a daemon may take to see the new token.
const tokenWait = 5 * time.Second

// tokenTaken comes to a running daemon with the new token, which makes it look,
// and reports whether one runs. A daemon that has just looked, because somebody
// else came with a wrong one, needs to be asked again.
func tokenTaken(ctx context.Context, d *deps) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	pace := backoff.Policy{Base: 150 * time.Millisecond, Max: time.Second}
	for failures := 1; ; failures++ {
		local, err := d.daemon(ctx)
		if errors.Is(err, daemon.ErrNoInfo) {
			return false, nil
		}
		if err == nil {
			_, err = local.Self(ctx)
		}
		var answer *api.Error
		refused := errors.As(err, &answer) && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusTooManyRequests)
		switch {
		case err == nil, answer != nil && answer.Status == http.StatusServiceUnavailable: // it starts, and let us in
			return true, nil
		case !refused || !pace.Wait(ctx, failures):
			return false, err
		}
	}
}
