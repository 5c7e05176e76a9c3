package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newWorkersCmd(d *deps) *cobra.Command {
	asJSON := false
	list := func(cmd *cobra.Command, _ []string) error {
		local, err := d.daemon(cmd.Context())
		if err != nil {
			return err
		}
		workers, err := local.Workers(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return cliutil.JSON(d.streams.Out, api.FusedWorkers{Items: workers})
		}
		if len(workers) == 0 {
			d.notef("No workers yet. Connect this host: %s\n", d.command("connect --api-url <url>"))
			return nil
		}
		return printWorkers(d, workers)
	}
	cmd := &cobra.Command{
		Use: "workers", Short: "List the workers of this host, start and stop them",
		Example: `  pipedai-orchestrator workers
  pipedai-orchestrator workers stop build-box`,
		Args: cobra.NoArgs, RunE: list,
	}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	for _, v := range []struct{ verb, short, done string }{
		{"start", "Keep a worker running", "started"},
		{"stop", "Let a worker finish its run, then keep it stopped", "stopped"},
		{"enable", "Ask the control plane to give a worker work", "enabled"},
		{"disable", "Ask the control plane to give a worker no more work", "disabled"},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: v.verb + " <worker>", Short: v.short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return runVerb(cmd.Context(), d, args[0], v.verb, v.done, asJSON)
			},
		})
	}
	return cmd
}

func runVerb(ctx context.Context, d *deps, name, verb, done string, asJSON bool) error {
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	worker, err := findWorker(ctx, d, local, name)
	if err != nil {
		return err
	}
	result, err := local.Act(ctx, worker.ID, verb)
	if err != nil {
		return err
	}
	switch {
	case asJSON:
		return cliutil.JSON(d.streams.Out, result)
	case result.Draining:
		d.printf("%s finishes the run it has in hand and then stops.\n", worker.Label)
	default:
		d.printf("%s is %s.\n", worker.Label, done)
	}
	return nil
}

// findWorker takes an id, or a label that only one worker has.
func findWorker(ctx context.Context, d *deps, local reached, name string) (api.FusedWorker, error) {
	workers, err := local.Workers(ctx)
	if err != nil {
		return api.FusedWorker{}, err
	}
	var found []api.FusedWorker
	for _, w := range workers {
		if w.ID == name {
			return w, nil
		}
		if w.Label == name {
			found = append(found, w)
		}
	}
	see := "list them: " + d.command("workers")
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return api.FusedWorker{}, cliutil.Failf(cliutil.ExitFailed, see, "no worker has the id or label %.60q", name)
	default:
		return api.FusedWorker{}, cliutil.Failf(cliutil.ExitUsage, see, "%d workers have the label %.60q: use the id", len(found), name)
	}
}

func printWorkers(d *deps, workers []api.FusedWorker) error {
	rows := make([][]string, 0, len(workers))
	for _, w := range workers {
		rows = append(rows, []string{w.Label, localText(w), pidText(w), uptimeText(w), restartsText(w), remoteText(w), w.ID})
	}
	return cliutil.Table(d.streams.Out, d.streams.Width, []string{"WORKER", "STATE", "PID", "UPTIME", "RESTARTS", "REMOTE", "ID"}, rows)
}

func localText(w api.FusedWorker) string {
	switch {
	case w.Local == nil:
		return "unknown"
	case w.Local.Draining:
		return "draining"
	default:
		return w.Local.State
	}
}

func pidText(w api.FusedWorker) string {
	if w.Local == nil || w.Local.PID == nil {
		return "-"
	}
	return strconv.Itoa(*w.Local.PID)
}

func uptimeText(w api.FusedWorker) string {
	if w.Local == nil || w.Local.StartedAt == nil {
		return "-"
	}
	return humanDuration(time.Since(time.UnixMilli(*w.Local.StartedAt)))
}

func restartsText(w api.FusedWorker) string {
	if w.Local == nil {
		return "-"
	}
	return strconv.Itoa(w.Local.TotalRestarts)
}

func remoteText(w api.FusedWorker) string {
	switch {
	case w.Remote == nil:
		return "-"
	case w.Remote.Disabled:
		return "disabled"
	case w.Busy:
		return "busy"
	default:
		return w.Remote.Status
	}
}
