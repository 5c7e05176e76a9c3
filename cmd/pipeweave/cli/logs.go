package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

type logsOptions struct {
	remote remote
	id     string
	task   string
	json   bool
}

func newLogsCmd(d *deps) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use: "logs RUN", Short: "Print the logs of a pipeline run or a task run", Args: cobra.ExactArgs(1),
		Long: `Print what tasks logged, task by task in the order they ended. A worker stores the
log of an attempt when the attempt ends.`,
		Example: "  pipeweave logs prun_0abc...\n  pipeweave logs prun_0abc... --task extract\n  pipeweave logs trun_0abc... --json | jq .message",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return runLogs(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVar(&o.task, "task", "", "only this task")
	cmd.Flags().BoolVar(&o.json, "json", false, "print the lines as they are stored, one JSON object each")
	return cmd
}

func runLogs(ctx context.Context, d *deps, o logsOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	tasks, err := o.tasks(ctx, c)
	if err != nil {
		return err
	}
	printed := 0
	for _, t := range tasks {
		if t.LogsPath == "" || o.task != "" && t.TaskID != o.task {
			continue
		}
		printed++
		if err := d.printLog(ctx, c, t, o.json); err != nil {
			return err
		}
	}
	if printed == 0 {
		d.notef("No logs yet: a worker stores them when an attempt ends. See: pipeweave status %s\n", o.id)
	}
	return nil
}

// tasks are the task runs that are meant, in the order they ended.
func (o logsOptions) tasks(ctx context.Context, c *client.Client) ([]api.TaskRun, error) {
	if strings.HasPrefix(o.id, "trun_") {
		t, err := c.TaskRun(ctx, o.id)
		return []api.TaskRun{t}, named(err, "task run", o.id, "pipeweave runs")
	}
	run, err := c.Run(ctx, o.id)
	if err != nil {
		return nil, named(err, "run", o.id, "pipeweave runs")
	}
	slices.SortStableFunc(run.Tasks, func(a, b api.TaskRun) int { return a.CompletedAt.Compare(b.CompletedAt.Time) })
	return run.Tasks, nil
}

func (d *deps) printLog(ctx context.Context, c *client.Client, t api.TaskRun, asJSON bool) error {
	body, err := c.StorageRaw(ctx, t.LogsPath)
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		d.notef("warning: the log of %s (%s) is not in storage any more\n", t.TaskID, t.ID)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // it was read, or the error is told
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			if !asJSON {
				text = fmt.Sprintf("%s  %s", t.TaskID, readable(text))
			}
			if err := d.printf("%s\n", text); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", t.TaskID, err)
		}
	}
}

// readable is a stored log line for people: time, level, message, and what
// else the task gave. A line of another form stays as it is.
func readable(line string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return cliutil.Printable(line)
	}
	take := func(name string) string {
		text, _ := fields[name].(string) // another type is shown with the rest
		if text != "" {
			delete(fields, name)
		}
		return text
	}
	stamp := take("timestamp")
	if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
		stamp = at.Local().Format("15:04:05.000")
	}
	out := fmt.Sprintf("%s  %-5s  %s", stamp, take("level"), take("message"))
	take("runId")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value, err := json.Marshal(fields[name])
		if err == nil {
			out += fmt.Sprintf("  %s=%s", name, value)
		}
	}
	return cliutil.Printable(out)
}
