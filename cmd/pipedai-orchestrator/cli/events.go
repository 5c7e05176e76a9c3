package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type eventsOptions struct {
	since  int64
	worker string
	limit  int
	follow bool
	json   bool
}

func newEventsCmd(d *deps) *cobra.Command {
	o := eventsOptions{}
	cmd := &cobra.Command{
		Use: "events", Short: "What happened on this host",
		Long: `Prints what happened on this host, oldest first: workers that started and ended,
what somebody asked for and who, long actions, links to control planes, starts
and ends of the daemon. The newest 5,000 events are kept.

With --json each event is one object on a line of its own; its seq is what
--since takes.`,
		Example: `  pipedai-orchestrator events
  pipedai-orchestrator events --worker build-box -f`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runEvents(cmd.Context(), d, o) },
	}
	f := cmd.Flags()
	f.Int64Var(&o.since, "since", 0, "those after this seq (default: the newest)")
	f.StringVar(&o.worker, "worker", "", "those of one worker")
	f.IntVarP(&o.limit, "limit", "n", 50, "how many, up to 5000")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what happens")
	f.BoolVar(&o.json, "json", false, "print one JSON object per event")
	_ = cmd.RegisterFlagCompletionFunc("worker", d.completeWorkers)
	return cmd
}

func runEvents(ctx context.Context, d *deps, o eventsOptions) error {
	switch {
	case o.since < 0:
		return cliutil.UsageError("--since must not be negative")
	case o.limit < 1 || o.limit > 5000:
		return cliutil.UsageError("--limit must be between 1 and 5000")
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	worker := ""
	if o.worker != "" {
		workers, err := local.Workers(ctx)
		if err != nil {
			return err
		}
		picked, err := d.pickAll(workers, []string{o.worker})
		if err != nil {
			return err
		}
		worker = picked[0].ID
	}
	known := names{}
	if !o.json {
		known = labels(ctx, local)
	}
	last := o.since
	show := func(e api.HostEvent) {
		if e.Seq > last && (worker == "" || e.WorkerID == worker) {
			last = e.Seq
			d.showEvent(e, known, o.json)
		}
	}
	past := func() error {
		got, err := local.HostEvents(ctx, last, worker, o.limit)
		for _, e := range got.Items {
			show(e)
		}
		return err
	}
	if err := past(); err != nil || !o.follow {
		return err
	}
	// The first frame says that the stream has begun; what happened between the
	// list and that moment is asked for once more.
	begun := false
	var missed error
	err = local.Events(ctx, 0, func(f api.LocalFrame) {
		if !begun {
			begun = true
			missed = past()
		}
		if f.Kind == "event" && f.Event != nil {
			show(*f.Event)
		}
	})
	if ctx.Err() != nil {
		return nil // an interrupt is how it ends
	}
	if missed != nil {
		return missed
	}
	return cliutil.Fail(cliutil.ExitNotRunning, fmt.Errorf("the daemon is gone: %w", err), "go on later: "+d.command(fmt.Sprintf("events --since %d -f", last)))
}

func (d *deps) showEvent(e api.HostEvent, known names, asJSON bool) {
	if asJSON {
		d.printJSON(e)
		return
	}
	line := e.At.Local().Format("2006-01-02 15:04:05") + "  " + fmt.Sprintf("%-20s", e.Type)
	if e.WorkerID != "" {
		line += "  " + known.of(e.WorkerID)
	}
	d.printf("%s\n", cliutil.Printable(strings.TrimRight(line+"  "+dataText(e.Data), " ")))
}

// dataText shows the members of an object on one line.
func dataText(data json.RawMessage) string {
	var members map[string]any
	if json.Unmarshal(data, &members) != nil {
		return ""
	}
	var parts []string
	for name, value := range members {
		if value != nil && value != "" {
			parts = append(parts, fmt.Sprintf("%s=%v", name, value))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
