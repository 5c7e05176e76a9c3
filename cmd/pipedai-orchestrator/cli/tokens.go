package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"pipedai/enroll"
	"pipedai/internal/cliutil"
)

type logoutOptions struct {
	apiURL    string
	workspace string
	json      bool
}

func newLogoutCmd(d *deps) *cobra.Command {
	o := logoutOptions{}
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Forget the tokens for a control plane",
		Long: `Forgets the tokens that this host keeps for a control plane, or for one workspace
of it. Workers go on: they have tokens of their own. The tokens stay valid until
they are revoked at the control plane.`,
		Example: `  pipedai-orchestrator logout --api-url https://api.example.com
  pipedai-orchestrator logout --api-url https://api.example.com --workspace ws1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLogout(cmd.Context(), d, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.apiURL, "api-url", "", "the control plane (required)")
	flags.StringVar(&o.workspace, "workspace", "", "only those of this workspace")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runLogout(ctx context.Context, d *deps, o logoutOptions) error {
	apiURL, err := enroll.NormalizeURL(o.apiURL)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "give it with --api-url")
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	removed, err := enroll.RemoveTokens(dir.Credentials(), apiURL, o.workspace)
	if err != nil && !errors.Is(err, enroll.ErrNoCredentials) {
		return d.explainHome(err)
	}
	if len(removed) > 0 {
		d.tellDaemon(ctx)
	}
	if o.json {
		if removed == nil {
			removed = []enroll.Stored{}
		}
		return cliutil.JSON(d.streams.Out, map[string]any{"removed": removed})
	}
	if len(removed) == 0 {
		d.printf("There was no token for %s.\n", apiURL)
		return nil
	}
	d.printf("Forgot %d token(s) for %s. They stay valid until they are revoked there.\nConnect again: %s\n",
		len(removed), apiURL, d.command(connectOptions{}.again(apiURL)))
	return nil
}

func newTokensCmd(d *deps) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "tokens",
		Short:   "List the tokens this host keeps, without the tokens",
		Example: "  pipedai-orchestrator tokens", Args: cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error { return runTokens(d, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runTokens(d *deps, asJSON bool) error {
	dir, err := d.dir()
	if err != nil {
		return err
	}
	d.protectCredentials(dir)
	creds, err := enroll.LoadCredentials(dir.Credentials())
	if err != nil && !errors.Is(err, enroll.ErrNoCredentials) {
		return d.explainHome(err)
	}
	tokens := creds.Tokens()
	if asJSON {
		return cliutil.JSON(d.streams.Out, map[string]any{"items": tokens})
	}
	if len(tokens) == 0 {
		d.printf("This host keeps no tokens.\nConnect it: %s\n", d.command("connect --api-url <url>"))
		return nil
	}
	rows := make([][]string, 0, len(tokens))
	for _, t := range tokens {
		workspace, used := t.WorkspaceID, "no"
		if workspace == "" {
			workspace = "any"
		}
		if t.InUse {
			used = "yes"
		}
		rows = append(rows, []string{t.APIURL, workspace, kindWord(t.Kind), used})
	}
	return cliutil.Table(d.streams.Out, d.streams.Width, []string{"CONTROL PLANE", "WORKSPACE", "KIND", "USED"}, rows)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
