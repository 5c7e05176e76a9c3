package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type listOptions struct {
	json, wide, headless, quiet bool
}

func newListCmd(d *deps) *cobra.Command {
	o := listOptions{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the workers of this host",
		Example: `  pipedai-orchestrator list
  pipedai-orchestrator list --json`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), d, o) },
	}
	o.bind(cmd)
	return cmd
}

func (o *listOptions) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&o.wide, "wide", false, "every column, however narrow the terminal")
	cmd.Flags().BoolVar(&o.headless, "no-headers", false, "no line of headings")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "ids only")
	cmd.MarkFlagsMutuallyExclusive("json", "quiet")
}

// newWorkersCmd has the list and every verb once more, for whoever looks for
// them by the noun.
func newWorkersCmd(d *deps) *cobra.Command {
	o := listOptions{}
	cmd := &cobra.Command{
		Use: "workers", Short: "List the workers; its commands are the verbs of this group",
		Example: `  pipedai-orchestrator workers
  pipedai-orchestrator workers stop build-box`,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), d, o) },
	}
	o.bind(cmd)
	cmd.AddCommand(newShowCmd(d), newSetCmd(d), newVerbCmd(d, verbStart), newVerbCmd(d, verbRestart))
	cmd.AddCommand(workerVerbs(d)...)
	return cmd
}

func runList(ctx context.Context, d *deps, o listOptions) error {
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	workers, err := local.Workers(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.json:
		return cliutil.JSON(d.streams.Out, api.FusedWorkers{Items: workers})
	case o.quiet:
		for _, w := range workers {
			d.printf("%s\n", w.ID)
		}
		return nil
	case len(workers) == 0:
		d.notef("No workers yet. Connect this host: %s\n", d.command("connect --api-url <url>"))
		return nil
	default:
		return printWorkers(d, workers, o)
	}
}

// printWorkers is the table of workers. A narrow terminal leaves out what
// matters least.
func printWorkers(d *deps, workers []api.FusedWorker, o listOptions) error {
	columns := []cliutil.Column{
		{Head: "WORKER"}, {Head: "STATE"}, {Head: "PID", Spare: 3}, {Head: "UPTIME", Spare: 2},
		{Head: "RESTARTS", Spare: 4}, {Head: "REMOTE", Spare: 1}, {Head: "VERSION", Spare: 5}, {Head: "ID", Spare: 6},
	}
	if o.wide {
		for i := range columns {
			columns[i].Spare = 0
		}
	}
	width := d.streams.Width
	if o.wide && width > 0 {
		width = 1 << 16
	}
	rows := make([][]string, 0, len(workers))
	for _, w := range workers {
		rows = append(rows, []string{
			w.Label, localText(w), pidText(w), uptimeText(w), restartsText(w), remoteText(w), versionText(w), w.ID,
		})
	}
	return cliutil.FitTable(d.streams.Out, width, columns, rows, o.headless)
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

func versionText(w api.FusedWorker) string {
	if w.WorkerVersion == nil {
		return "-"
	}
	return *w.WorkerVersion
}
