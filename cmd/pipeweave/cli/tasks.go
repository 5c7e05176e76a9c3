package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type tasksOptions struct {
	remote  remote
	service string
	id      string
	json    bool
}

func newTasksCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "tasks", Short: "List task definitions, how their code changed, and what input they take", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var listed, history tasksOptions
	all := &cobra.Command{
		Use: "list", Short: "List the tasks of every service", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTasks(cmd.Context(), d, listed) },
	}
	listed.remote.bind(all)
	all.Flags().StringVar(&listed.service, "service", "", "only tasks of this service")
	all.Flags().BoolVar(&listed.json, "json", false, "print JSON")
	versions := &cobra.Command{
		Use: "history TASK", Short: "List the code versions of a task, newest first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			history.id = args[0]
			return runTaskHistory(cmd.Context(), d, history)
		},
	}
	history.remote.bind(versions)
	versions.Flags().BoolVar(&history.json, "json", false, "print JSON")
	cmd.AddCommand(all, versions, newSchemaCmd(d), newValidateCmd(d))
	return cmd
}

func runTasks(ctx context.Context, d *deps, o tasksOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	services, err := c.Services(ctx)
	if err != nil {
		return err
	}
	tasks := []api.Task{}
	for _, s := range services.Services {
		if o.service != "" && s.ID != o.service {
			continue
		}
		detail, err := c.Service(ctx, s.ID)
		if err != nil {
			return err
		}
		tasks = append(tasks, detail.Tasks...)
	}
	if o.json {
		return cliutil.JSON(d.Out, api.Tasks{Tasks: tasks})
	}
	if len(tasks) == 0 {
		return d.printf("No tasks. Workers bring them when they register.\n")
	}
	var rows [][]string
	for _, t := range tasks {
		rows = append(rows, []string{t.ID, t.ServiceID, fmt.Sprintf("%d (%s)", t.CodeVersion, t.CodeHash), first(strings.Join(t.AllowedNext, ", "), "-"), fmt.Sprint(t.Priority), limit(t.Concurrency)})
	}
	return cliutil.Table(d.Out, d.Width, []string{"TASK", "SERVICE", "CODE", "NEXT", "PRIORITY", "AT ONCE"}, rows)
}

func limit(n int) string {
	if n == 0 {
		return "any"
	}
	return fmt.Sprint(n)
}

func runTaskHistory(ctx context.Context, d *deps, o tasksOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	history, err := c.TaskHistory(ctx, o.id)
	if err != nil {
		return named(err, "task", o.id, "pipeweave tasks list")
	}
	if o.json {
		return cliutil.JSON(d.Out, history)
	}
	var rows [][]string
	for _, v := range history {
		rows = append(rows, []string{fmt.Sprint(v.CodeVersion), v.CodeHash, v.ServiceVersion, v.RecordedAt.Local().Format("2006-01-02 15:04:05 MST")})
	}
	return cliutil.Table(d.Out, d.Width, []string{"VERSION", "HASH", "SERVICE", "SINCE"}, rows)
}
