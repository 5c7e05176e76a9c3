package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

func newWorkersCmd(d *deps) *cobra.Command {
	list := workersOptions{}
	cmd := &cobra.Command{
		Use: "workers", Short: "See the workers of enrolled hosts, disable and delete them", Args: cobra.NoArgs,
		Long:    "See the workers of enrolled hosts and switch them. A worker is named by its id, its\nlabel or its hostname.",
		Example: "  pipeweave workers --json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runWorkersList(cmd.Context(), d, list) },
	}
	list.bind(cmd)
	cmd.AddCommand(newWorkersListCmd(d), newWorkersShowCmd(d, ofWorkspace), newWorkersEventsCmd(d), newWorkersDisableCmd(d, ofWorkspace), newWorkersEnableCmd(d, ofWorkspace),
		newWorkersDeleteCmd(d, ofWorkspace), newWorkersRotateCmd(d))
	return cmd
}

type workersOptions struct {
	remote remote
	host   string
	json   bool
}

func (o *workersOptions) bind(cmd *cobra.Command) {
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.host, "host", "", "only those of this host, by its name")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func newWorkersListCmd(d *deps) *cobra.Command {
	var o workersOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List workers by hostname", Args: cobra.NoArgs, Example: "  pipeweave workers list --host build-box",
		RunE: func(cmd *cobra.Command, _ []string) error { return runWorkersList(cmd.Context(), d, o) },
	}
	o.bind(cmd)
	return cmd
}

func runWorkersList(ctx context.Context, d *deps, o workersOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	workers, _, err := workersOf(ctx, c)
	if err != nil {
		return err
	}
	shown := []api.RemoteWorker{}
	for _, w := range workers {
		if o.host == "" || strings.EqualFold(w.Host, o.host) {
			shown = append(shown, w)
		}
	}
	if o.json {
		return cliutil.JSON(d.Out, api.RemoteWorkers{Items: shown})
	}
	if len(shown) == 0 {
		return d.printf("No workers. A host joins with: pipedai-orchestrator connect --api-url %s\n", c.BaseURL())
	}
	return d.workerTable(shown)
}

func (d *deps) workerTable(workers []api.RemoteWorker) error {
	var rows [][]string
	for _, w := range workers {
		rows = append(rows, []string{w.ID, first(w.Label, w.Hostname), w.DerivedStatus, deref(w.CurrentRunID), deref(w.Version), d.ago(w.LastSeenAt)})
	}
	return cliutil.Table(d.Out, d.Width, []string{"ID", "HOST", "STATUS", "RUN", "VERSION", "LAST SEEN"}, rows)
}

func deref(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

// workersOf lists the workers of the caller's workspace.
func workersOf(ctx context.Context, c *client.Client) (workers []api.RemoteWorker, workspace string, err error) {
	session, err := c.Session(ctx)
	if err != nil {
		return nil, "", err
	}
	workers, err = c.Workers(ctx, session.Workspace)
	return workers, session.Workspace, err
}

// workerNamed finds a worker by its id, its label or its hostname.
func workerNamed(workers []api.RemoteWorker, name, verb string) (api.RemoteWorker, error) {
	var found []api.RemoteWorker
	for _, w := range workers {
		if w.ID == name {
			return w, nil
		}
		if strings.EqualFold(w.Label, name) || strings.EqualFold(w.Hostname, name) {
			found = append(found, w)
		}
	}
	switch len(found) {
	case 0:
		return api.RemoteWorker{}, cliutil.Failf(cliutil.ExitFailed, "see: pipeweave "+verb+" list", "there is no worker %q", name)
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, w := range found {
		ids = append(ids, w.ID)
	}
	return api.RemoteWorker{}, cliutil.UsageError("%q is the name of several workers; say which by id: %s", name, strings.Join(ids, ", "))
}

// workerKind is where a worker belongs: to the caller's workspace, or to the pool.
type workerKind string

// The kinds are named as the commands are.
const (
	ofWorkspace workerKind = "workers"
	ofPool      workerKind = "pool"
)

// aWorker is a worker that a command is about, and how it is reached.
type aWorker struct {
	api.RemoteWorker
	c         *client.Client
	kind      workerKind
	workspace string
}

func findWorker(ctx context.Context, c *client.Client, kind workerKind, name string) (aWorker, error) {
	out := aWorker{c: c, kind: kind}
	var workers []api.RemoteWorker
	var err error
	if kind == ofPool {
		var pool api.PoolWorkers
		pool, err = c.KeptPoolWorkers(ctx)
		workers = pool.Items
	} else {
		workers, out.workspace, err = workersOf(ctx, c)
	}
	if err == nil {
		out.RemoteWorker, err = workerNamed(workers, name, string(kind))
	}
	return out, err
}

func (w aWorker) hold(ctx context.Context, req api.SwitchRequest) (api.RemoteWorker, error) {
	if w.kind == ofPool {
		return w.c.HoldPoolWorker(ctx, w.ID, req)
	}
	return w.c.HoldWorker(ctx, w.workspace, w.ID, req)
}

func (w aWorker) unhold(ctx context.Context) (api.RemoteWorker, error) {
	if w.kind == ofPool {
		return w.c.UnholdPoolWorker(ctx, w.ID, api.SwitchRequest{})
	}
	return w.c.UnholdWorker(ctx, w.workspace, w.ID, api.SwitchRequest{})
}

func (w aWorker) remove(ctx context.Context) error {
	if w.kind == ofPool {
		return w.c.DeletePoolWorker(ctx, w.ID)
	}
	return w.c.DeleteWorker(ctx, w.workspace, w.ID)
}

// workerCmd is a command about one worker.
func workerCmd(d *deps, kind workerKind, use, short string, run func(ctx context.Context, w aWorker, asJSON bool) error) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			w, err := findWorker(cmd.Context(), c, kind, args[0])
			if err != nil {
				return err
			}
			return run(cmd.Context(), w, asJSON)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newWorkersShowCmd(d *deps, kind workerKind) *cobra.Command {
	return workerCmd(d, kind, "show WORKER", "Show a worker, and why it gets no runs", func(_ context.Context, w aWorker, asJSON bool) error {
		if asJSON {
			return cliutil.JSON(d.Out, w.RemoteWorker)
		}
		lines := [][2]string{
			{"Worker", w.ID}, {"Label", w.Label}, {"Hostname", w.Hostname}, {"Host", w.Host}, {"Status", w.DerivedStatus}, {"Run", deref(w.CurrentRunID)},
			{"Version", deref(w.Version)}, {"System", w.OS}, {"Last seen", d.ago(w.LastSeenAt)}, {"Joined", d.ago(w.RegisteredAt)},
		}
		for _, h := range w.Holds {
			lines = append(lines, [2]string{"Disabled", d.holdText(h)})
		}
		for _, line := range lines {
			if line[1] == "" || line[1] == "-" {
				continue
			}
			if err := d.printf("%-11s%s\n", line[0]+":", cliutil.Printable(line[1])); err != nil {
				return err
			}
		}
		if w.Disabled {
			d.notef("Next: pipeweave %s enable %s\n", kind, w.ID)
		}
		return nil
	})
}

func newWorkersEventsCmd(d *deps) *cobra.Command {
	var since int64
	var limit int
	cmd := workerCmd(d, ofWorkspace, "events WORKER", "List what happened to a worker, oldest first", func(ctx context.Context, w aWorker, asJSON bool) error {
		if limit < 1 || limit > 500 || since < 0 {
			return cliutil.UsageError("--limit must be between 1 and 500, and --since not negative")
		}
		got, err := w.c.WorkerEventList(ctx, w.ID, since, limit)
		if err != nil {
			return err
		}
		if asJSON {
			return cliutil.JSON(d.Out, got)
		}
		if len(got.Items) == 0 {
			return d.printf("No events.\n")
		}
		var rows [][]string
		for _, e := range got.Items {
			rows = append(rows, []string{fmt.Sprint(e.Seq), d.ago(e.TS), e.Type, first(string(e.Data), "-")})
		}
		return cliutil.Table(d.Out, d.Width, []string{"NUMBER", "WHEN", "TYPE", "DATA"}, rows)
	})
	cmd.Flags().Int64Var(&since, "since", 0, "only what follows this number (default: the newest)")
	cmd.Flags().IntVarP(&limit, "limit", "l", 50, "how many at most")
	return cmd
}

func newWorkersDisableCmd(d *deps, kind workerKind) *cobra.Command {
	var o pauseOptions
	cmd := workerCmd(d, kind, "disable WORKER", "Give a worker no new runs", func(ctx context.Context, w aWorker, asJSON bool) error {
		until, err := o.end(d)
		if err != nil {
			return err
		}
		got, err := w.hold(ctx, api.SwitchRequest{Note: o.note, Until: until})
		if err != nil {
			return err
		}
		if asJSON {
			return cliutil.JSON(d.Out, got)
		}
		inHand := ""
		if got.CurrentRunID != nil {
			inHand = " Run " + *got.CurrentRunID + " goes on to its end."
		}
		return d.printf("Disabled: %s gets no new runs.%s\nNext: pipeweave %s enable %s\n", cliutil.Printable(first(got.Label, got.Hostname)), inHand, kind, got.ID)
	})
	o.bind(cmd)
	cmd.Long = "Give a worker no new runs; those in hand go on. With --for it ends by itself."
	cmd.Example = `  pipeweave ` + string(kind) + ` disable pdf-1 --note "it overheats" --for 30m`
	return cmd
}

func newWorkersEnableCmd(d *deps, kind workerKind) *cobra.Command {
	cmd := workerCmd(d, kind, "enable WORKER", "Give a worker runs again", func(ctx context.Context, w aWorker, asJSON bool) error {
		got, err := w.unhold(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return cliutil.JSON(d.Out, got)
		}
		return d.printf("Enabled: %s.\n", cliutil.Printable(first(got.Label, got.Hostname)))
	})
	cmd.Long = "Give a worker runs again, whatever disabled it: a person, a pause of its host, or an\nupgrade that is under way."
	return cmd
}

func newWorkersDeleteCmd(d *deps, kind workerKind) *cobra.Command {
	var yes bool
	cmd := workerCmd(d, kind, "delete WORKER", "Remove a worker and void its token", func(ctx context.Context, w aWorker, asJSON bool) error {
		name := cliutil.Printable(first(w.Label, w.Hostname))
		what := name + " leaves the lists and its token is void."
		if kind == ofWorkspace {
			what += " If its host keeps no other worker, the host has to join again."
		}
		if w.CurrentRunID != nil {
			what += " Run " + *w.CurrentRunID + ", which it has in hand, runs again elsewhere."
		}
		if err := d.confirm(ctx, yes, what, first(w.Label, w.Hostname)); err != nil {
			return err
		}
		if err := w.remove(ctx); err != nil {
			return err
		}
		if asJSON {
			return cliutil.JSON(d.Out, w.RemoteWorker)
		}
		return d.printf("Deleted: %s.\n", name)
	})
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Long = "Remove a worker and void its token. The process on its host is not touched; there,\n\"pipedai-orchestrator delete\" removes both."
	return cmd
}
