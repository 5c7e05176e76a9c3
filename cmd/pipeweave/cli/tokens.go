package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newTokensCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "tokens", Short: "Create, list and revoke tokens", Args: cobra.NoArgs,
		Long: `Create, list and revoke tokens: of operators and programs (pwk), that list the
workers of the pool (pop), and that admit one worker to a workspace (wrk) or to
the pool (pool), or one host (enr). While nobody has a pwk token, programs on
this machine need none; from the first one on, every caller does.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokensListCmd(d), newTokensCreateCmd(d), newTokensRevokeCmd(d))
	return cmd
}

// tokenKinds are the kinds of token that --kind takes.
var tokenKinds = []string{api.TokenOperator, api.TokenPoolRead, api.TokenPool, api.TokenRegistration, api.TokenEnrollment}

func checkKind(kind string) error {
	if kind != "" && !slices.Contains(tokenKinds, kind) {
		return cliutil.UsageError("--kind %q is none of %s", kind, strings.Join(tokenKinds, ", "))
	}
	return nil
}

func newTokensListCmd(d *deps) *cobra.Command {
	var r remote
	var kind, workspace string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List tokens, newest first", Args: cobra.NoArgs,
		Example: "  pipeweave tokens list\n  pipeweave tokens list --kind pool --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkKind(kind); err != nil {
				return err
			}
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			all, err := c.TokensOf(cmd.Context(), kind, workspace)
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, all)
			}
			var rows [][]string
			for _, t := range all.Items {
				ends := "-"
				if t.LastFour != "" {
					ends = "…" + t.LastFour
				}
				rows = append(rows, []string{t.ID, t.Kind, first(t.Name, "-"), first(t.Role, "-"), first(t.Workspace, "pool"), ends, d.tokenState(t), d.ago(t.LastUsedAt)})
			}
			return cliutil.Table(d.Out, d.Width, []string{"ID", "KIND", "NAME", "ROLE", "WORKSPACE", "ENDS IN", "STATE", "USED"}, rows)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&kind, "kind", "", "only these: pwk, pop, pool, wrk or enr")
	cmd.Flags().StringVar(&workspace, "workspace", "", "only of the workspace with this id")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (d *deps) tokenState(t api.Token) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case t.Used:
		return "used"
	case !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(d.now()):
		return "expired"
	case !t.ExpiresAt.IsZero() && t.ExpiresAt.Sub(d.now()) < 24*time.Hour:
		return "valid until " + t.ExpiresAt.Local().Format("15:04")
	case !t.ExpiresAt.IsZero():
		return "valid until " + t.ExpiresAt.Local().Format("2006-01-02")
	default:
		return "valid"
	}
}

type tokensCreateOptions struct {
	remote  remote
	request api.CreateTokenRequest
	expires time.Duration
	json    bool
}

func newTokensCreateCmd(d *deps) *cobra.Command {
	var o tokensCreateOptions
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a token and print it, this once", Args: cobra.ExactArgs(1),
		Long: `Create a token and print it, this once. NAME tells it from others; for what
admits a worker or a host it is the label of that.`,
		Example: `  pipeweave tokens create ci --role operator --expires 2160h > ci.token
  pipeweave tokens create rack-4 --kind pool > pool.token
  pipeweave tokens create lister --kind pop > pop.token`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.request.Name = args[0]
			if err := checkKind(o.request.Kind); err != nil {
				return err
			}
			if o.expires < 0 {
				return cliutil.UsageError("--expires must not be negative")
			}
			if o.request.Kind != api.TokenOperator {
				if cmd.Flags().Changed("role") {
					return cliutil.UsageError("only a token of kind pwk has a role")
				}
				o.request.Role = ""
			}
			return runTokensCreate(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.request.Kind, "kind", api.TokenOperator, "pwk (operator), pop (lists the pool), pool, wrk (admit a worker) or enr (admits a host)")
	flags.StringVar(&o.request.Role, "role", "operator", "of a pwk token: viewer, operator or admin")
	flags.StringVar(&o.request.Workspace, "workspace", "", "id of its workspace (default: the caller's own)")
	flags.StringVar(&o.request.Environment, "environment", "", "of an enr token: id of the environment its host goes to")
	flags.DurationVar(&o.expires, "expires", 0, "how long it is valid, such as 720h (default: pwk and pop until revoked, pool 1h, wrk 15m, enr 24h)")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runTokensCreate(ctx context.Context, d *deps, o tokensCreateOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	o.request.ExpiresInSec = int64(o.expires.Seconds())
	made, err := c.CreateToken(ctx, o.request)
	if err != nil {
		return err
	}
	if made.WorkerPath != "" {
		d.notef("Every caller needs a token from now on. Workers that cannot send one use the base URL %s%s\n", c.BaseURL(), made.WorkerPath)
	}
	if o.json {
		return cliutil.JSON(d.Out, made)
	}
	what := first(made.Role, made.Kind)
	if !made.ExpiresAt.IsZero() {
		what += ", until " + made.ExpiresAt.Local().Format("2006-01-02 15:04 MST")
	}
	d.notef("Token %s (%s), shown this once.%s\n", made.ID, what, useOf(made.Kind, c.BaseURL()))
	return d.printf("%s\n", made.Secret)
}

// useOf says what to do with a token of a kind.
func useOf(kind, url string) string {
	switch kind {
	case api.TokenPoolRead:
		return "\nOn the host: pipedai-orchestrator login --scope pool --api-url " + url + " --token-stdin"
	case api.TokenPool:
		return "\nOn the host: pipedai-orchestrator build --pool --api-url " + url + " --token-stdin"
	case api.TokenRegistration:
		return "\nOn the host: pipedai-orchestrator build --api-url " + url + " --token-stdin"
	case api.TokenEnrollment:
		return "\nOn the host: pipedai-orchestrator connect --api-url " + url + " --token-stdin"
	}
	return ""
}

func newTokensRevokeCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "End a token", Args: cobra.ExactArgs(1),
		Long: `End a token. It is void at once, and what it holds open ends within five seconds.
One that admitted a worker or a host already cannot be taken back: delete the
worker, or revoke the host.`,
		Example: "  pipeweave tokens revoke tok_0123456789abcdef",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			gone, err := c.RevokeToken(cmd.Context(), args[0])
			if err != nil {
				return conflicting(named(err, "token", args[0], "pipeweave tokens list"), "pipeweave tokens list")
			}
			if asJSON {
				return cliutil.JSON(d.Out, gone)
			}
			return d.printf("Token %s (%s) is revoked.\n", gone.ID, first(gone.Name, gone.Kind))
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
