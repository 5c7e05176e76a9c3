package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// The scopes of login.
const (
	scopeWorkspace = "workspace"
	scopePool      = "pool"
)

type loginOptions struct {
	apiURL     string
	token      string
	tokenGiven bool
	tokenStdin bool
	tokenFile  string
	scope      string
	scopeGiven bool
	workspace  string
	json       bool
}

func newLoginCmd(d *deps) *cobra.Command {
	o := loginOptions{}
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Keep a token for a control plane",
		Long: `Keeps a token with which this host asks a control plane about its workers: an
API key of a workspace (pwk_), a host credential (hos_), or a token that lists
pool workers (pop_). Connecting a host brings its credential by itself.

The token is read from --token-stdin, --token-file, PIPEDAI_OPERATOR_TOKEN, or
what is piped in.`,
		Example: `  pipedai-orchestrator login --api-url https://api.example.com < token.txt
  pipedai-orchestrator login --api-url https://api.example.com --token-file token.txt --workspace ws1
  pipedai-orchestrator login --api-url https://api.example.com --scope pool --token-stdin < pool.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.tokenGiven, o.scopeGiven = cmd.Flags().Changed("token"), cmd.Flags().Changed("scope")
			return runLogin(cmd.Context(), d, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.apiURL, "api-url", "", "the control plane (required)")
	flags.StringVar(&o.token, "token", "", "the token (other programs can see it; prefer --token-stdin)")
	flags.BoolVar(&o.tokenStdin, "token-stdin", false, "read the token from standard input")
	flags.StringVar(&o.tokenFile, "token-file", "", "read the token from a file")
	flags.StringVar(&o.scope, "scope", scopeWorkspace, "what the token is for: workspace or pool (default: what its prefix says)")
	flags.StringVar(&o.workspace, "workspace", "", "id of the workspace (default: the one that this host's workers are in)")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("token", "token-stdin", "token-file")
	return cmd
}

func runLogin(ctx context.Context, d *deps, o loginOptions) error {
	if o.scope != scopeWorkspace && o.scope != scopePool {
		return cliutil.Failf(cliutil.ExitFailed, "use --scope workspace or --scope pool", "--scope %s is neither workspace nor pool", o.scope)
	}
	apiURL, err := enroll.NormalizeURL(o.apiURL)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "give it with --api-url")
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	if o.tokenGiven && o.token == "" {
		return cliutil.UsageError("--token is empty")
	}
	in := secretInput{
		what: "token", flag: o.token, stdin: o.tokenStdin, file: o.tokenFile, env: "PIPEDAI_OPERATOR_TOKEN", piped: true,
	}
	token, found, err := in.read(ctx, d)
	if err != nil {
		return err
	}
	if !found {
		return cliutil.Fail(cliutil.ExitUsage, errors.New("there is no token to keep"),
			"pipe it in with --token-stdin, or name a file with --token-file")
	}
	kind, err := acceptKind(o, token)
	if err != nil {
		return err
	}
	d.protectCredentials(dir)
	stored := enroll.Stored{APIURL: apiURL, Kind: kind, InUse: true}
	if kind == enroll.KindPool {
		err = enroll.PutPool(dir.Credentials(), apiURL, token)
	} else {
		if stored.WorkspaceID, err = workspaceFor(ctx, dir, apiURL, o.workspace, kind); err != nil {
			return d.explainHome(err)
		}
		err = enroll.PutOperator(dir.Credentials(), apiURL, stored.WorkspaceID, token)
	}
	if err != nil {
		return d.explainHome(err)
	}
	d.tellDaemon(ctx)
	if o.json {
		return cliutil.JSON(d.streams.Out, stored)
	}
	where := apiURL
	if stored.WorkspaceID != "" {
		where += ", workspace " + cliutil.Printable(stored.WorkspaceID)
	}
	d.printf("Kept the %s token for %s.\nCheck it: %s\n", kindWord(kind), where, d.command("connectivity --check"))
	return nil
}

// acceptKind tells what a token is for. A scope that was named has to agree.
func acceptKind(o loginOptions, token secret.Text) (enroll.Kind, error) {
	if strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", cliutil.UsageError("what was given is no token: it holds more than one word")
	}
	kind := enroll.KindOf(token)
	wanted := "pwk_, hos_ or pop_"
	fits := kind != enroll.KindUnknown
	if o.scopeGiven {
		pool := o.scope == scopePool
		fits = fits && pool == (kind == enroll.KindPool)
		wanted = "pwk_ or hos_"
		if pool {
			wanted = "pop_"
		}
	}
	if fits {
		return kind, nil
	}
	begins := token.Reveal()
	return "", cliutil.Failf(cliutil.ExitUsage, "ask an operator of the control plane for one that begins with "+wanted,
		"the token begins with %q, which is none for this", begins[:min(4, len(begins))])
}

func kindWord(k enroll.Kind) string {
	switch k {
	case enroll.KindHost:
		return "host"
	case enroll.KindKey:
		return "workspace"
	case enroll.KindPool:
		return "pool"
	default:
		return "unknown"
	}
}

// workspaceFor finds out which workspace a token is of: the one that was named,
// else the only one that workers here are in. With none or several of them the
// token is kept for the whole control plane, as older programs do; but a host
// credential is never for more than one.
func workspaceFor(ctx context.Context, dir hostdir.Dir, apiURL, named string, kind enroll.Kind) (string, error) {
	if named != "" {
		return named, nil
	}
	ids, err := workspacesHere(ctx, dir, apiURL)
	if err != nil {
		return "", err
	}
	switch {
	case len(ids) == 1:
		return ids[0], nil
	case kind == enroll.KindHost && len(ids) > 1:
		return "", cliutil.Fail(cliutil.ExitUsage, fmt.Errorf("workers of this host are in %d workspaces of %s", len(ids), apiURL),
			"name the one the token is for with --workspace")
	}
	return "", nil
}

// workspacesHere lists the workspaces of a control plane that workers of this
// host are in. It creates no manifest.
func workspacesHere(ctx context.Context, dir hostdir.Dir, apiURL string) ([]string, error) {
	entries, err := entriesHere(ctx, dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if base, err := enroll.NormalizeURL(e.APIURL); err != nil || base != apiURL || e.WorkspaceID == "" {
			continue
		}
		if !slices.Contains(ids, e.WorkspaceID) {
			ids = append(ids, e.WorkspaceID)
		}
	}
	return ids, nil
}

// entriesHere reads the manifest, if there is one.
func entriesHere(ctx context.Context, dir hostdir.Dir) ([]manifest.Entry, error) {
	if !exists(dir.Manifest()) && !exists(dir.LegacyManifest()) {
		return nil, nil
	}
	hosts, err := manifest.Open(ctx, dir.Manifest())
	if err != nil {
		return nil, err
	}
	defer func() { _ = hosts.Close() }()
	return hosts.Entries(ctx)
}

// protectCredentials takes the credentials away from others and says so.
func (d *deps) protectCredentials(dir hostdir.Dir) {
	wasOpen, err := enroll.Protect(dir.Credentials())
	switch {
	case err != nil:
		d.notef("warning: %v\n", err)
	case wasOpen:
		d.notef("warning: others could read %s; its mode is 600 now. If somebody did, replace the tokens.\n", dir.Credentials())
	}
}

// tellDaemon has a running daemon take up new credentials at once. One that
// cannot be told finds them by itself, a poll later.
func (d *deps) tellDaemon(ctx context.Context) {
	if local, err := d.daemon(ctx); err == nil {
		_ = reload(ctx, local, api.ReloadRequest{})
	}
}
