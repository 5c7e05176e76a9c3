package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

// eventPace is how often a run that is followed is asked for news, and
// eventsAfter how long its last events may come after its end.
const (
	eventPace   = time.Second
	eventsAfter = 3 * time.Second
	eventPage   = 1000
)

type runEventsOptions struct {
	remote remote
	id     string
	task   string
	after  int64
	follow bool
	json   bool
}

func newRunsEventsCmd(d *deps) *cobra.Command {
	var o runEventsOptions
	cmd := &cobra.Command{
		Use: "events RUN", Short: "Print what workers report of a task run while they do it", Args: cobra.ExactArgs(1),
		Long: `Print the events that workers reported of a task run: its log lines, its progress,
its result, of every attempt. They come while the task runs, unlike its stored log,
and are kept for RUN_EVENT_RETENTION_DAYS. Of a pipeline run, name the task.`,
		Example: "  pipeweave runs events trun_0abc... -f\n  pipeweave runs events prun_0abc... --task extract --json | jq .payload",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return runRunsEvents(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.task, "task", "", "the task, of a pipeline run")
	cmd.Flags().Int64Var(&o.after, "after", 0, "only events that came after the one with this id")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with new events until the run ends")
	cmd.Flags().BoolVar(&o.json, "json", false, "print each event as a JSON object on a line of its own")
	return cmd
}

func runRunsEvents(ctx context.Context, d *deps, o runEventsOptions) error {
	if o.after < 0 {
		return cliutil.UsageError("--after must not be negative")
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	run, err := o.taskRun(ctx, c)
	if err != nil {
		return err
	}
	printed, failures := 0, 0
	var ended time.Time // when it was first seen to have ended
	for {
		page, err := c.RunEvents(ctx, run.ID, o.after, eventPage)
		var refused *api.Error
		switch {
		case err == nil:
			failures = 0
		case !o.follow || errors.Is(err, context.Canceled) || errors.As(err, &refused) && refused.Status/100 == 4, failures == patience:
			return err
		default:
			failures++ // the server may be restarting
		}
		for _, e := range page.Items {
			if err := d.printEvent(e, o.json); err != nil {
				return err
			}
			printed++
			o.after = e.ID
		}
		if len(page.Items) == eventPage {
			continue
		}
		if !o.follow || !ended.IsZero() && d.now().Sub(ended) > eventsAfter {
			break
		}
		if now, err := c.TaskRun(ctx, run.ID); err == nil && ended.IsZero() && !now.CompletedAt.IsZero() {
			ended = d.now()
		}
		if !backoff.Sleep(ctx, eventPace) {
			return ctx.Err()
		}
	}
	if printed == 0 && !o.json {
		d.notef("No events. Workers that pull their work report them while they do it; see also: pipeweave logs %s\n", run.ID)
	}
	return nil
}

// taskRun is the one that is meant.
func (o runEventsOptions) taskRun(ctx context.Context, c *client.Client) (api.TaskRun, error) {
	if strings.HasPrefix(o.id, "trun_") {
		t, err := c.TaskRun(ctx, o.id)
		return t, named(err, "task run", o.id, "pipeweave runs")
	}
	run, err := c.Run(ctx, o.id)
	if err != nil {
		return api.TaskRun{}, named(err, "run", o.id, "pipeweave runs")
	}
	var found []api.TaskRun
	var names []string
	for _, t := range run.Tasks {
		if t.SupersededBy == "" && (o.task == "" || t.TaskID == o.task) {
			found = append(found, t)
			names = append(names, t.TaskID)
		}
	}
	switch len(found) {
	case 0:
		return api.TaskRun{}, cliutil.Failf(cliutil.ExitFailed, "see: pipeweave status "+o.id, "the run has no task run of %q", o.task)
	case 1:
		return found[0], nil
	}
	return api.TaskRun{}, cliutil.UsageError("the run has several tasks: name one with --task (%s)", strings.Join(names, ", "))
}

func (d *deps) printEvent(e api.TaskRunEvent, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return d.printf("%s\n", line)
	}
	var payload map[string]any
	_ = json.Unmarshal(e.Payload, &payload) // an object of another shape is shown as it is
	word := func(name string) string {
		text, _ := payload[name].(string)
		return text
	}
	kind, text := first(word("subtype"), e.Type), first(word("text"), word("result"))
	switch {
	case kind == "log":
		kind = first(word("level"), "info")
	case kind == "progress":
		text = strings.TrimSpace(fmt.Sprintf("%v%%  %s", payload["percent"], text))
	case text == "":
		text = string(e.Payload)
	}
	return d.printf("%s  #%d  %-8s  %s\n", e.TS.Local().Format("15:04:05.000"), e.Attempt, cliutil.Printable(kind), cliutil.Printable(text))
}
