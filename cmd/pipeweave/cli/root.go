// Package cli is the command line of pipeweave, one file per command: options
// filled from flags, and a function that runs them. serve.go wires the
// program.
package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/secret"
)

//go:generate sh -c "go run .. reference >../../../docs/cli/pipeweave.md"

// Main runs the program and returns its exit code.
func Main(ctx context.Context, args []string, s cliutil.Streams) int {
	ctx, stop := cliutil.Signals(ctx)
	defer stop()
	return run(ctx, args, &deps{Streams: s, now: time.Now})
}

func run(ctx context.Context, args []string, d *deps) int {
	return cliutil.Run(ctx, newRootCmd(d), d.Streams, colonForms(args), explainRemote)
}

// deps is what commands use of the world.
type deps struct {
	cliutil.Streams
	now func() time.Time
	// http makes the requests of the commands that call a server; nil in the
	// program, replaced in tests.
	http *http.Client
	// served is told the address once serve answers; nil in the program.
	served func(url string)
}

func newRootCmd(d *deps) *cobra.Command {
	root := &cobra.Command{
		Use:   "pipeweave",
		Short: "Run pipelines on machines you own",
		Long: `pipeweave is the control plane: it keeps pipelines and runs, admits hosts, and
gives their workers something to do.`,
		Example: `  pipeweave serve
  pipeweave enrollments approve WDJB-MJHT
  pipeweave trigger pdf-processor --input '{"pdfUrl": "..."}' --wait`,
		Args:              cobra.NoArgs,
		Version:           buildinfo.Version(),
		DisableAutoGenTag: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.printf("%s\n\n%s\n\nCommands:\n%s\nNext: pipeweave serve\n", cmd.Short, cmd.Long, commandList(cmd))
		},
	}
	root.SetVersionTemplate("pipeweave {{.Version}}\n")
	root.AddCommand(
		newServeCmd(d), newInitCmd(d), newDBCmd(d), newMaintenanceCmd(d),
		newPipelinesCmd(d), newTriggerCmd(d), newStatusCmd(d), newRunsCmd(d), newLogsCmd(d), newCancelCmd(d), newReplayCmd(d), newDLQCmd(d),
		newServicesCmd(d), newTasksCmd(d), newUploadsCmd(d), newQueueCmd(d), newStorageCmd(d),
		newHostsCmd(d),
		newEnrollmentsCmd(d), newWorkersCmd(d), newPoolCmd(d), newRolloutsCmd(d), newTokensCmd(d), newWorkspacesCmd(d), newReleasesCmd(d), newAuditCmd(d), newConfigCmd(d), newVersionCmd(d), cliutil.NewReferenceCmd(d.Streams),
	)
	return root
}

func commandList(root *cobra.Command) string {
	var out string
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() {
			out += fmt.Sprintf("  %-13s%s\n", cmd.Name(), cmd.Short)
		}
	}
	return out
}

// colonForms reads "db:migrate" as "db migrate" and "maintenance:status" as
// "maintenance status", as older documents spell them.
func colonForms(args []string) []string {
	if len(args) == 0 {
		return args
	}
	group, verb, colon := strings.Cut(args[0], ":")
	if colon && verb != "" && (group == "db" || group == "maintenance") {
		return append([]string{group, verb}, args[1:]...)
	}
	return args
}

// printf writes to standard output.
func (d *deps) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(d.Out, format, args...)
	return err
}

// notef writes to standard error: progress and hints, never results.
func (d *deps) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(d.Err, format, args...) // there is nobody else to tell
}

// remote is how a command reaches a server.
type remote struct {
	url, tokenFile, dataDir string
}

// bind adds the flags of commands that call a server.
func (r *remote) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&r.url, "url", "u", "", "address of the server (PIPEWEAVE_ORCHESTRATOR_URL; default: the one running on this machine)")
	flags.StringVar(&r.tokenFile, "token-file", "", "file that holds the API token (PIPEWEAVE_API_TOKEN; default: the local server's own)")
	flags.StringVar(&r.dataDir, "data-dir", "", "state folder of the local server (PIPEWEAVE_HOME)")
}

// connect resolves address and token: flag, then environment, then the server
// that runs on this machine.
func (d *deps) connect(r remote) (*client.Client, error) {
	dir, dirErr := resolveState(r.dataDir, d.Getenv)
	var local serveInfo
	if dirErr == nil {
		local, _ = dir.running() // none is the ordinary case for a remote operator
	}
	url := first(r.url, d.Getenv("PIPEWEAVE_ORCHESTRATOR_URL"), local.URL)
	if url == "" {
		return nil, cliutil.Failf(cliutil.ExitNotRunning, startOrName, "no server runs on this machine (Orchestrator URL required)")
	}
	if !validURL(url) {
		return nil, cliutil.UsageError("%q is not an http or https address", url)
	}
	var token secret.Text
	switch {
	case r.tokenFile != "":
		read, err := readSecret(r.tokenFile)
		if err != nil {
			return nil, cliutil.Fail(cliutil.ExitAuth, err, "")
		}
		token = read
	case d.Getenv("PIPEWEAVE_API_TOKEN") != "":
		token = secret.Text(d.Getenv("PIPEWEAVE_API_TOKEN"))
	case sameServer(url, local.URL):
		// Only to the server it belongs to: a token is not for whoever answers.
		read, err := readSecret(dir.adminToken())
		if err != nil {
			d.notef("warning: no token: %v\n", err)
		}
		token = read
	}
	return client.New(url, client.Options{Token: token, HTTP: d.http, UserAgent: "pipeweave/" + buildinfo.Version()}), nil
}

// startOrName is what helps when no server answers.
const startOrName = "start one with `pipeweave serve`, or name one with -u URL or PIPEWEAVE_ORCHESTRATOR_URL"

// explainRemote says what helps with the ways in which any call of a server
// can fail.
func explainRemote(err error) error {
	var remote *api.Error
	switch {
	case !errors.As(err, &remote):
		return err
	case remote.Status == 0:
		return cliutil.Fail(cliutil.ExitNotRunning, err, startOrName)
	case remote.Code == api.CodeMaintenance: // the server is there, and says no for now
		return cliutil.Fail(cliutil.ExitConflict, err, "see: pipeweave maintenance status")
	case remote.Status == http.StatusUnauthorized:
		return cliutil.Fail(cliutil.ExitAuth, err, "give the server's API token with --token-file FILE or PIPEWEAVE_API_TOKEN")
	}
	return err
}

// named says which thing a server did not find, and how to see those there
// are; the server's own sentence does not repeat the id.
func named(err error, thing, id, see string) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return cliutil.Failf(cliutil.ExitFailed, "see: "+see, "there is no %s %q", thing, id)
	}
	return err
}

// conflicting gives a refusal because of the state of things its exit code.
func conflicting(err error, see string) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusConflict {
		return cliutil.Fail(cliutil.ExitConflict, err, "see: "+see)
	}
	return err
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
