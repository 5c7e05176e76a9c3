package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

var verbDelete = verb{name: "delete", short: "Take workers from this host and revoke their credentials", done: "deleted", ends: true, canNow: true,
	long: `Deletes workers: the control plane forgets them and revokes their tokens, their
processes end, and the files that connect or build wrote for them are removed.
Their logs, their run history and a file that was adopted stay. It cannot be
undone; a terminal asks first.`}

type deleteOptions struct {
	verbOptions
	yes, dryRun bool
}

func newDeleteCmd(d *deps) *cobra.Command {
	o := deleteOptions{verbOptions: verbOptions{verb: verbDelete}}
	cmd := &cobra.Command{
		Use: "delete [worker...]", Aliases: []string{"rm"}, Short: verbDelete.short, Long: verbDelete.long + namesText,
		Example: `  pipedai-orchestrator delete build-box
  pipedai-orchestrator delete build-box --yes
  pipedai-orchestrator delete --all --dry-run`,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: d.completeWorkers,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return runDelete(cmd.Context(), d, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would happen, and do nothing")
	return cmd
}

// deletePlan is one worker in delete --dry-run --json.
type deletePlan struct {
	ID           string  `json:"id"`
	Label        string  `json:"label"`
	APIURL       string  `json:"apiUrl"`
	CurrentRunID *string `json:"currentRunId"`
}

func runDelete(ctx context.Context, d *deps, o deleteOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	workers, err := o.chosen(ctx, d, local)
	if err != nil {
		return err
	}
	if o.dryRun {
		return d.showDelete(workers, o.json)
	}
	if !o.yes && len(workers) > 0 {
		if err := d.confirmDelete(ctx, workers, o); err != nil {
			return err
		}
	}
	return carryOut(ctx, d, local, o.verbOptions, workers)
}

func (d *deps) showDelete(workers []api.FusedWorker, asJSON bool) error {
	if asJSON {
		plans := []deletePlan{}
		for _, w := range workers {
			plans = append(plans, deletePlan{w.ID, w.Label, w.APIURL, w.CurrentRunID})
		}
		return cliutil.JSON(d.streams.Out, map[string]any{"dryRun": true, "items": plans})
	}
	for _, w := range workers {
		d.printf("%s\n", deleteText(w))
	}
	d.printf("Nothing was done.\n")
	return nil
}

// deleteText says what the end of a worker means.
func deleteText(w api.FusedWorker) string {
	text := fmt.Sprintf("%s (%s): its token for %s is revoked, and it is removed from this host.",
		cliutil.Printable(w.Label), w.ID, cliutil.Printable(w.APIURL))
	if w.CurrentRunID != nil && *w.CurrentRunID != "" {
		text += fmt.Sprintf(" Run %s is in flight and may be lost.", cliutil.Printable(*w.CurrentRunID))
	}
	return text
}

// confirmDelete asks the person. Where nobody can answer nothing is deleted.
func (d *deps) confirmDelete(ctx context.Context, workers []api.FusedWorker, o deleteOptions) error {
	if !d.streams.InTTY || o.json {
		return cliutil.Failf(cliutil.ExitUsage, "see what would happen: --dry-run", "deleting cannot be undone: say --yes")
	}
	for _, w := range workers {
		d.notef("%s\n", deleteText(w))
	}
	// One worker is a yes; all of a host is worth a look at which host it is.
	word := "yes"
	if o.all {
		if name, err := os.Hostname(); err == nil {
			word = name
		}
	}
	answer, err := d.ask(ctx, fmt.Sprintf("This cannot be undone. Type %s to delete: ", word))
	if err != nil {
		return err
	}
	if !strings.EqualFold(answer, word) {
		return cliutil.Failf(cliutil.ExitFailed, "", "nothing was deleted")
	}
	return nil
}
