package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newTokensCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "tokens", Short: "Create, list and revoke API tokens", Args: cobra.NoArgs,
		Long: `Create, list and revoke the tokens of operators and programs. While nobody has one,
programs on this machine need none; from the first token on, every caller does.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokensListCmd(d), newTokensCreateCmd(d), newTokensRevokeCmd(d))
	return cmd
}

func newTokensListCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List tokens, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			all, err := c.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, all)
			}
			var rows [][]string
			for _, t := range all.Items {
				rows = append(rows, []string{t.ID, t.Name, t.Role, "…" + t.LastFour, d.tokenState(t), d.ago(t.LastUsedAt)})
			}
			return cliutil.Table(d.Out, d.Width, []string{"ID", "NAME", "ROLE", "ENDS IN", "STATE", "USED"}, rows)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (d *deps) tokenState(t api.Token) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(d.now()):
		return "expired"
	case !t.ExpiresAt.IsZero():
		return "valid until " + t.ExpiresAt.Local().Format("2006-01-02")
	default:
		return "valid"
	}
}

type tokensCreateOptions struct {
	remote     remote
	name, role string
	expires    time.Duration
	json       bool
}

func newTokensCreateCmd(d *deps) *cobra.Command {
	var o tokensCreateOptions
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a token and print it, this once", Args: cobra.ExactArgs(1),
		Example: "  pipeweave tokens create ci --role operator --expires 2160h > ci.token",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			if o.expires < 0 {
				return cliutil.UsageError("--expires must not be negative")
			}
			return runTokensCreate(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.role, "role", "operator", "viewer, operator or admin")
	cmd.Flags().DurationVar(&o.expires, "expires", 0, "how long it is valid, such as 720h (default: until it is revoked)")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runTokensCreate(ctx context.Context, d *deps, o tokensCreateOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	made, err := c.CreateToken(ctx, api.CreateTokenRequest{Name: o.name, Role: o.role, ExpiresInSec: int64(o.expires.Seconds())})
	if err != nil {
		return err
	}
	d.notef("Every caller needs a token from now on. Workers that cannot send one use the base URL %s%s\n", c.BaseURL(), made.WorkerPath)
	if o.json {
		return cliutil.JSON(d.Out, made)
	}
	d.notef("Token %s (%s), shown this once:\n", made.ID, made.Role)
	return d.printf("%s\n", made.Secret)
}

func newTokensRevokeCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a token", Args: cobra.ExactArgs(1),
		Example: "  pipeweave tokens revoke tok_0123456789abcdef",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			gone, err := c.RevokeToken(cmd.Context(), args[0])
			if err != nil {
				return named(err, "token", args[0], "pipeweave tokens list")
			}
			if asJSON {
				return cliutil.JSON(d.Out, gone)
			}
			return d.printf("Token %s (%s) is revoked.\n", gone.ID, gone.Name)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
