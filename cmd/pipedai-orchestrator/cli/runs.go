package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

type runsOptions struct {
	follow bool
	json   bool
}

// runPace is how often a run that is followed is looked at. Workers write its
// events to a file, and nobody watches that unless somebody follows.
const runPace = time.Second

func newRunsCmd(d *deps) *cobra.Command {
	o := runsOptions{}
	cmd := &cobra.Command{
		Use: "runs <worker> [run]", Short: "Runs that a worker had on this host, and their events",
		Long: `Lists the newest 50 runs of which a worker keeps events on this host, newest
first. With a run, or the beginning of its id, prints its events, oldest first.

A worker is named by its id, its label, or the beginning of either. With --json
each event is one object on a line of its own.`,
		Example: `  pipedai-orchestrator runs build-box
  pipedai-orchestrator runs build-box run_abc -f`,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: d.completeWorker,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.follow {
					return cliutil.UsageError("--follow needs a run: name one, see: %s", d.command("runs "+args[0]))
				}
				return listRuns(cmd.Context(), d, o, args[0])
			}
			return showRun(cmd.Context(), d, o, args[0], args[1])
		},
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with new events until the run ends")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func listRuns(ctx context.Context, d *deps, o runsOptions, worker string) error {
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	w, err := findWorker(ctx, d, local, worker)
	if err != nil {
		return err
	}
	runs, err := local.Runs(ctx, w.ID)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.streams.Out, api.LocalRuns{Items: runs})
	}
	if len(runs) == 0 {
		d.notef("%s has kept no events of runs on this host.\n", cliutil.Printable(w.Label))
		return nil
	}
	rows := make([][]string, 0, len(runs))
	for _, r := range runs {
		state := ""
		if w.CurrentRunID != nil && *w.CurrentRunID == r.RunID {
			state = "in hand"
		}
		rows = append(rows, []string{r.RunID, orDash(state), humanBytes(r.Bytes), humanDuration(time.Since(time.UnixMilli(r.UpdatedAt))) + " ago"})
	}
	return cliutil.Table(d.streams.Out, d.streams.Width, []string{"RUN", "STATE", "SIZE", "LAST EVENT"}, rows)
}

func showRun(ctx context.Context, d *deps, o runsOptions, worker, run string) error {
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	w, err := findWorker(ctx, d, local, worker)
	if err != nil {
		return err
	}
	if run, err = d.pickRun(ctx, local, w, run); err != nil {
		return err
	}
	last, ended, shown := int64(-1), false, false
	for {
		events, err := local.RunEvents(ctx, w.ID, run, last)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		for _, e := range events {
			last, shown, ended = e.Seq, true, e.Type == "result"
			d.showRunEvent(e, o.json)
		}
		switch {
		case len(events) > 0:
			continue // there may be more than one answer holds
		case !shown && !o.follow:
			return cliutil.Failf(cliutil.ExitFailed, "list those it has: "+d.command("runs "+w.ID),
				"%s has kept no events of a run %.60q on this host", w.Label, run)
		case ended || !o.follow:
			return nil
		case !backoff.Sleep(ctx, runPace):
			return context.Cause(ctx)
		}
	}
}

// pickRun takes a run's id, or the beginning of one that fits only one of the
// runs listed. An id that is not listed may be an older one, or one to come.
func (d *deps) pickRun(ctx context.Context, local reached, w api.FusedWorker, name string) (string, error) {
	runs, err := local.Runs(ctx, w.ID)
	if err != nil {
		return "", err
	}
	var found []string
	for _, r := range runs {
		if r.RunID == name {
			return name, nil
		}
		if name != "" && strings.HasPrefix(r.RunID, name) {
			found = append(found, r.RunID)
		}
	}
	switch len(found) {
	case 0:
		return name, nil
	case 1:
		return found[0], nil
	}
	return "", cliutil.Failf(cliutil.ExitUsage, "use the id: "+strings.Join(found[:min(len(found), 5)], ", "), "%d runs begin with %.60q", len(found), name)
}

func (d *deps) showRunEvent(e api.LocalRunEvent, asJSON bool) {
	if asJSON {
		d.printJSON(e)
		return
	}
	at := e.TS
	if t, err := time.Parse(time.RFC3339Nano, e.TS); err == nil {
		at = t.Local().Format("2006-01-02 15:04:05.000")
	}
	var what struct {
		Subtype string   `json:"subtype"`
		Level   string   `json:"level"`
		Text    string   `json:"text"`
		Result  string   `json:"result"`
		Percent *float64 `json:"percent"`
	}
	kind, text := e.Type, ""
	if json.Unmarshal(e.Payload, &what) == nil {
		kind, text = orElse(what.Subtype, e.Type), orElse(what.Text, what.Result)
		if what.Percent != nil {
			text = fmt.Sprintf("%3.0f %% %s", *what.Percent, text)
		}
		if what.Level != "" {
			text = what.Level + " " + text
		}
	}
	if text == "" {
		text = dataText(e.Payload) // written by another worker than ours
	}
	d.printf("%s  %-9s %s\n", cliutil.Printable(at), cliutil.Printable(kind), cliutil.Printable(text))
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func humanBytes(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
