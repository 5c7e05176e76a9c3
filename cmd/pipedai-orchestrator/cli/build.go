package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/cliutil"
)

type buildOptions struct {
	req    api.BuildRequest
	token  secretInput
	noWait bool
	json   bool
	tasks  []string
}

func newBuildCmd(d *deps) *cobra.Command {
	o := buildOptions{token: secretInput{what: "registration token"}}
	cmd := &cobra.Command{
		Use: "build", Short: "Register another worker and run it on this host",
		Long: `Registers another worker of this host and runs it. The daemon asks the control
plane for a registration token with the credential that connect brought; with a
token of your own (wrk_, or pool_ with --pool) it uses that. What is wrong is
found before anything is registered, and an interrupted build is brought to an
end by the daemon: see operations.`,
		Example: `  pipedai-orchestrator build --label pdf --tasks tasks.yaml
  pipedai-orchestrator build --label pdf --token-stdin < token.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("api-url") {
				o.req.APIURL = d.streams.Getenv("PIPEDAI_API_URL")
			}
			return runBuild(cmd.Context(), d, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.req.APIURL, "api-url", "", "the control plane (default: the one that this host is connected to)")
	f.StringVar(&o.req.Label, "label", "", "name of the worker")
	f.StringVar(&o.req.WorkspaceID, "workspace", "", "workspace of the worker (default: that of this host's workers)")
	f.BoolVar(&o.req.Pool, "pool", false, "register into a shared pool; needs a pool_ token")
	f.StringVar(&o.req.AuthMode, "auth-mode", "", "how its tasks use Claude: claude-max or api-key (default claude-max)")
	f.StringVar(&o.req.Hostname, "hostname", "", "name of the worker's host at the control plane (default: this host's, and the label)")
	f.StringArrayVar(&o.tasks, "tasks", nil, "file of tasks the worker offers; may be given more than once")
	f.BoolVar(&o.token.stdin, "token-stdin", false, "read a registration token from standard input")
	f.StringVar(&o.token.file, "token-file", "", "read a registration token from a file")
	f.BoolVar(&o.noWait, "no-wait", false, "do not wait until it is built")
	f.BoolVar(&o.json, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("token-stdin", "token-file")
	return cmd
}

// builtReport is what build prints with --json.
type builtReport struct {
	ID        string        `json:"id,omitempty"`
	Operation api.Operation `json:"operation"`
}

func runBuild(ctx context.Context, d *deps, o buildOptions) error {
	for _, file := range o.tasks {
		path, err := filepath.Abs(file)
		if err != nil {
			return cliutil.Fail(cliutil.ExitUsage, err, "name files that are there with --tasks")
		}
		o.req.Tasks = append(o.req.Tasks, path)
	}
	token, _, err := o.token.read(ctx, d)
	if err != nil {
		return err
	}
	o.req.Token = token.Reveal()
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	if o.req.APIURL == "" {
		if o.req.APIURL, err = d.onlyPlane(ctx, local); err != nil {
			return err
		}
	}
	result, err := local.Build(ctx, o.req)
	if err != nil {
		return err
	}
	op := *result.Operation
	if o.noWait {
		if o.json {
			return cliutil.JSON(d.streams.Out, builtReport{Operation: op})
		}
		d.printf("It is being built; follow it: %s\n", d.command("operations "+op.ID))
		return nil
	}
	failed := untilOver(ctx, local, op.ID)
	if ctx.Err() != nil {
		return cliutil.Fail(cliutil.ExitInterrupted, errors.New("interrupted; the build goes on without this command"),
			"follow it: "+d.command("operations "+op.ID))
	}
	if failed != nil {
		return failed
	}
	if op, err = local.Operation(ctx, op.ID); err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.streams.Out, builtReport{ID: op.WorkerID, Operation: op})
	}
	d.printf("Built worker %s.\nNext: %s\n", op.WorkerID, d.command("list"))
	return nil
}

// onlyPlane is the control plane that all workers of this host have.
func (d *deps) onlyPlane(ctx context.Context, local reached) (string, error) {
	workers, err := local.Workers(ctx)
	if err != nil {
		return "", err
	}
	var found []string
	for _, w := range workers {
		base, err := enroll.NormalizeURL(w.APIURL)
		if err == nil && !slices.Contains(found, base) {
			found = append(found, base)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", cliutil.Failf(cliutil.ExitUsage, "connect it first: "+d.command("connect --api-url <url>"), "this host is not connected to a control plane")
	}
	return "", cliutil.Failf(cliutil.ExitUsage, "name one with --api-url", "this host has workers of several control planes: %s", strings.Join(found, ", "))
}
