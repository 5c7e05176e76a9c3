package cli

import (
	"context"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

func newDLQCmd(d *deps) *cobra.Command {
	cmd := &cobra.Command{
		Use: "dlq", Short: "See task runs that failed for good, and run them again", Args: cobra.NoArgs,
		Long: `Dead letters are task runs that used all their attempts, or failed in a way that
is not tried again. A retry runs one again with the current code; the pipeline
run that it belongs to goes on.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDLQListCmd(d), newDLQGroupsCmd(d), newDLQShowCmd(d), newDLQRetryCmd(d), newDLQRetryAllCmd(d), newDLQPurgeCmd(d))
	return cmd
}

type dlqListOptions struct {
	remote                   remote
	pipeline, task, from, to string
	retried                  bool
	page                     pageOptions
	json                     bool
}

func newDLQListCmd(d *deps) *cobra.Command {
	var o dlqListOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, newest failure first", Args: cobra.NoArgs,
		Example: "  pipeweave dlq list --pipeline pdf-processor",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDLQList(cmd.Context(), d, o) },
	}
	o.remote.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.pipeline, "pipeline", "", "only of this pipeline")
	flags.StringVar(&o.task, "task", "", "only of this task")
	flags.StringVar(&o.from, "from", "", "only those that failed since then, such as 2026-11-21")
	flags.StringVar(&o.to, "to", "", "only those that failed until then")
	flags.BoolVar(&o.retried, "include-retried", false, "those that were retried, too")
	o.page.bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runDLQList(ctx context.Context, d *deps, o dlqListOptions) error {
	filter, err := o.page.query(map[string]string{"pipelineId": o.pipeline, "taskId": o.task, "from": o.from, "to": o.to})
	if err != nil {
		return err
	}
	if o.retried {
		filter.Set("includeRetried", "true")
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	page, err := c.DeadLetters(ctx, filter)
	if err != nil {
		return err
	}
	if o.json {
		return cliutil.JSON(d.Out, page)
	}
	if len(page.Items) == 0 {
		return d.printf("No dead letters.\n")
	}
	var rows [][]string
	for _, l := range page.Items {
		run := first(l.PipelineRunID, "-")
		state := d.ago(l.FailedAt)
		if !l.RetriedAt.IsZero() {
			state += ", retried"
		}
		rows = append(rows, []string{l.ID, l.TaskID, run, fmt.Sprint(l.Attempts), state, l.Error})
	}
	if err := cliutil.Table(d.Out, d.Width, []string{"DEAD LETTER", "TASK", "RUN", "ATTEMPTS", "FAILED", "ERROR"}, rows); err != nil {
		return err
	}
	d.noteRest(o.page, len(page.Items), page.Total)
	d.notef("Next: pipeweave dlq show %s, pipeweave dlq retry %s\n", page.Items[0].ID, page.Items[0].ID)
	return nil
}

func newDLQShowCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a dead letter with all its attempts", Args: cobra.ExactArgs(1),
		Long: "Show a dead letter with all its attempts. ID is its own (dlq_...) or that of the\ntask run that failed (trun_...).",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			l, err := c.DeadLetter(cmd.Context(), args[0])
			if err != nil {
				return named(err, "dead letter", args[0], "pipeweave dlq list")
			}
			if asJSON {
				return cliutil.JSON(d.Out, l)
			}
			return d.printDeadLetter(l)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (d *deps) printDeadLetter(l api.DeadLetter) error {
	lines := [][2]string{
		{"Dead letter", l.ID}, {"Task", fmt.Sprintf("%s, code version %d", l.TaskID, l.CodeVersion)}, {"Task run", l.TaskRunID},
		{"Pipeline", l.PipelineID}, {"Run", l.PipelineRunID}, {"Failed", d.ago(l.FailedAt)}, {"Error", l.Error}, {"Input", l.InputPath},
	}
	if !l.RetriedAt.IsZero() {
		lines = append(lines, [2]string{"Retried", d.ago(l.RetriedAt) + " as " + l.RetryRunID})
	}
	for _, line := range lines {
		if line[1] == "" {
			continue
		}
		if err := d.printf("%-13s%s\n", line[0]+":", cliutil.Printable(line[1])); err != nil {
			return err
		}
	}
	for _, past := range l.PreviousAttempts {
		code := ""
		if past.ErrorCode != "" {
			code = " (" + past.ErrorCode + ")"
		}
		if err := d.printf("  attempt %d, %s: %s\n", past.Attempt, past.Timestamp, cliutil.Printable(past.Error+code)); err != nil {
			return err
		}
	}
	if l.RetriedAt.IsZero() {
		d.notef("Next: pipeweave dlq retry %s\n", l.ID)
	}
	return nil
}

func newDLQRetryCmd(d *deps) *cobra.Command {
	var r remote
	var asJSON bool
	cmd := &cobra.Command{
		Use: "retry ID", Short: "Run a dead letter again, with the current code", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			got, err := c.RetryDeadLetter(cmd.Context(), args[0])
			if err != nil {
				return named(conflicting(err, "pipeweave dlq show "+args[0]), "dead letter", args[0], "pipeweave dlq list")
			}
			if asJSON {
				return cliutil.JSON(d.Out, got)
			}
			return d.printf("Queued again as %s, code version %d.\nNext: pipeweave status %s\n", got.NewRunID, got.CodeVersion, got.NewRunID)
		},
	}
	r.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newDLQRetryAllCmd(d *deps) *cobra.Command {
	var r remote
	var req api.RetryAllRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use: "retry-all", Short: "Run many dead letters again", Args: cobra.NoArgs,
		Long: `Run dead letters again, newest first: those of a pipeline or a task, or all. The
exit code is 1 when some could not be.`,
		Example: "  pipeweave dlq retry-all --pipeline pdf-processor",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if req.Limit < 0 || req.Limit > 10000 {
				return cliutil.UsageError("--limit must be between 1 and 10000")
			}
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			got, err := c.RetryDeadLetters(cmd.Context(), req)
			if err != nil {
				return err
			}
			if asJSON {
				err = cliutil.JSON(d.Out, got)
			} else {
				err = d.printf("%d retried, %d could not be.\n", got.Retried, len(got.Failed))
			}
			if err != nil {
				return err
			}
			for _, f := range got.Failed {
				d.notef("  %s: %s\n", f.DLQID, f.Error)
			}
			if len(got.Failed) > 0 {
				return cliutil.Silent(cliutil.ExitFailed)
			}
			return nil
		},
	}
	r.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&req.PipelineID, "pipeline", "", "only of this pipeline")
	flags.StringVar(&req.TaskID, "task", "", "only of this task")
	flags.IntVarP(&req.Limit, "limit", "l", 0, "how many at most (default 1000)")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// ageForm is an age as the server reads it.
var ageForm = regexp.MustCompile(`^[0-9]{1,9}[smhdw]$`)

func newDLQPurgeCmd(d *deps) *cobra.Command {
	var r remote
	var olderThan string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "purge", Short: "Delete old dead letters, retried or not", Args: cobra.NoArgs,
		Long: `Delete dead letters that failed long ago, retried or not. The server does that by
itself after DLQ_RETENTION_DAYS; this command goes by its own --older-than.`,
		Example: "  pipeweave dlq purge --older-than 7d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !ageForm.MatchString(olderThan) {
				return cliutil.UsageError("--older-than must be a whole number and one of s, m, h, d and w, like 7d")
			}
			c, err := d.connect(r)
			if err != nil {
				return err
			}
			got, err := c.PurgeDeadLetters(cmd.Context(), api.PurgeRequest{OlderThan: olderThan})
			if err != nil {
				return err
			}
			if asJSON {
				return cliutil.JSON(d.Out, got)
			}
			return d.printf("Purged %d dead letters older than %s: those that failed before %s.\n", got.Purged, olderThan, got.OlderThan)
		},
	}
	r.bind(cmd)
	cmd.Flags().StringVar(&olderThan, "older-than", "30d", "age: a whole number and one of s, m, h, d and w")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
