package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newQueueCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "queue", Short: "See what waits and runs, or queue one task", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQueueStatusCmd(d), newQueueItemsCmd(d), newQueueTaskCmd(d))
	return cmd
}

func newQueueStatusCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Count the task runs in each state", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			q, err := c.QueueStatus(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, q)
			}
			if err := d.printf("Pending: %d\nRunning: %d\nCompleted: %d\nFailed: %d\nDead letters: %d\n",
				q.Pending, q.Running, q.Completed, q.Failed, q.DLQ); err != nil {
				return err
			}
			if !q.OldestPending.IsZero() {
				return d.printf("Oldest pending: %s\n", d.ago(q.OldestPending))
			}
			return nil
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type queueItemsOptions struct {
	remote            remote
	status, task, run string
	page              pageOptions
	json              bool
}

func newQueueItemsCmd(d *deps) *cobra.Command {
	var o queueItemsOptions
	cmd := &cobra.Command{
		Use: "items", Short: "List task runs by priority, then age", Args: cobra.NoArgs,
		Example: "  pipeweave queue items --status pending\n  pipeweave queue items --task resize --json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runQueueItems(cmd.Context(), d, o) },
	}
	o.remote.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.status, "status", "", "only task runs in this state")
	flags.StringVar(&o.task, "task", "", "only runs of this task")
	flags.StringVar(&o.run, "run", "", "only task runs of this pipeline run")
	o.page.bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runQueueItems(ctx context.Context, d *deps, o queueItemsOptions) error {
	filter, err := o.page.query(map[string]string{"status": o.status, "taskId": o.task, "pipelineRunId": o.run})
	if err != nil {
		return err
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	page, err := c.QueueItems(ctx, filter)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, page)
	}
	if len(page.Items) == 0 {
		return d.printf("Nothing. See also: pipeweave queue status\n")
	}
	var rows [][]string
	for _, i := range page.Items {
		status := i.Status
		if i.Status == "pending" && !i.ScheduledAt.IsZero() && i.ScheduledAt.After(d.now()) {
			status += " until " + i.ScheduledAt.Local().Format("15:04:05")
		}
		rows = append(rows, []string{i.RunID, i.TaskID, status, fmt.Sprint(i.Priority), fmt.Sprintf("%d of %d", i.Attempt, i.MaxRetries+1), d.ago(i.CreatedAt), i.Error})
	}
	if err := cliutil.Table(d.Out, d.Width, []string{"TASK RUN", "TASK", "STATUS", "PRIORITY", "ATTEMPT", "QUEUED", "ERROR"}, rows); err != nil {
		return err
	}
	d.noteRest(o.page, len(page.Items), page.Total)
	return nil
}

type queueTaskOptions struct {
	remote   remote
	task     string
	input    inputFlags
	priority int
	key      string
	json     bool
}

func newQueueTaskCmd(d *deps) *cobra.Command {
	var o queueTaskOptions
	var hasPriority bool
	cmd := &cobra.Command{
		Use: "task TASK", Short: "Queue one run of a task, outside any pipeline", Args: cobra.ExactArgs(1),
		Example: `  pipeweave queue task resize --input '{"width": 80}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.task = args[0]
			hasPriority = cmd.Flags().Changed("priority")
			if err := o.input.check(); err != nil {
				return err
			}
			return runQueueTask(cmd.Context(), d, o, hasPriority)
		},
	}
	o.remote.bind(cmd)
	o.input.bind(cmd)
	flags := cmd.Flags()
	flags.IntVarP(&o.priority, "priority", "p", 0, "lower runs first (default: the task's own)")
	flags.StringVar(&o.key, "idempotency-key", "", "run only once for this key")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runQueueTask(ctx context.Context, d *deps, o queueTaskOptions, hasPriority bool) error {
	input, err := o.input.read(d)
	if err != nil {
		return err
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	req := api.QueueTaskRequest{TaskID: o.task, Input: input, IdempotencyKey: o.key}
	if hasPriority {
		priority := float64(o.priority)
		req.Priority = &priority
	}
	queued, err := c.QueueTask(ctx, req)
	if err != nil {
		return named(err, "task", o.task, "pipeweave tasks list")
	}
	if o.json {
		return cliutil.JSON(d.Out, queued)
	}
	return d.printf("Task run %s is %s.\nNext: pipeweave status %s\n", queued.RunID, strings.ToLower(queued.Status), queued.RunID)
}
