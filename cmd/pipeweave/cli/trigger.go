package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

// The exit codes of a wait, as the contract has them.
const (
	exitRunFailed  = 1 // or cancelled
	exitRunPartial = 2
	exitWaitOver   = 3
)

type triggerOptions struct {
	remote      remote
	pipeline    string
	input       inputFlags
	failureMode string
	validation  string
	backend     string
	priority    int
	hasPriority bool
	key         string
	wait        bool
	timeout     time.Duration
	json        bool
}

func newTriggerCmd(d *deps) *cobra.Command { return newTriggerCmdFunc(d, runTrigger) }

func newTriggerCmdFunc(d *deps, runF func(context.Context, *deps, triggerOptions) error) *cobra.Command {
	var o triggerOptions
	cmd := &cobra.Command{
		Use: "trigger PIPELINE", Short: "Start a pipeline run", Args: cobra.ExactArgs(1),
		Long: `Start a run of a pipeline. With --wait, the progress of each task goes to
standard error, the results to standard output, and the exit code tells how it
ended: 0 completed, 1 failed or cancelled, 2 partial, 3 not over in time.`,
		Example: `  pipeweave trigger pdf-processor --input '{"pdfUrl": "..."}' --wait
  pipeweave trigger pdf-processor --file input.json
  generate | pipeweave trigger pdf-processor --file - --wait --timeout 5m`,
		ValidArgsFunction: d.completePipelines,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			o.hasPriority = cmd.Flags().Changed("priority")
			if err := o.input.check(); err != nil {
				return err
			}
			if o.timeout < 0 {
				return cliutil.UsageError("--timeout must not be negative")
			}
			return runF(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	o.input.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.failureMode, "failure-mode", "", "fail-fast, continue or partial-merge (default: the pipeline's own)")
	flags.StringVar(&o.validation, "validation-mode", "", "what an input means that does not fit: strict, warn or none (default warn)")
	flags.StringVar(&o.backend, "storage-backend", "", "id of the backend for its objects (default: the server's default)")
	flags.IntVarP(&o.priority, "priority", "p", 0, "lower runs first (default: each task's own)")
	flags.StringVar(&o.key, "idempotency-key", "", "start only one run for this key")
	flags.BoolVarP(&o.wait, "wait", "w", false, "wait for the end of the run")
	flags.DurationVar(&o.timeout, "timeout", 0, "longest wait, such as 5m (default: no limit)")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runTrigger(ctx context.Context, d *deps, o triggerOptions) error {
	input, err := o.input.read(d)
	if err != nil {
		return err
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	req := api.TriggerRequest{Input: input, FailureMode: o.failureMode, ValidationMode: o.validation, StorageBackend: o.backend, IdempotencyKey: o.key}
	if o.hasPriority {
		req.Priority = &o.priority
	}
	started, err := c.Trigger(ctx, o.pipeline, req)
	if err != nil {
		d.noteInput("error", refusedInput(err))
		return named(err, "pipeline", o.pipeline, "pipeweave pipelines")
	}
	d.noteInput("warning", started.ValidationWarnings)
	if !o.wait {
		if o.json {
			return cliutil.JSON(d.Out, started)
		}
		return d.printf("Run %s is %s.\nNext: pipeweave status %s\n", started.PipelineRunID, started.Status, started.PipelineRunID)
	}

	d.notef("Run %s\n", started.PipelineRunID)
	run, err := d.await(ctx, c, started.PipelineRunID, o.timeout)
	if errors.Is(err, errWaitOver) {
		return cliutil.Failf(exitWaitOver, "it goes on; look again with: pipeweave status "+started.PipelineRunID,
			"run %s did not end within %s", started.PipelineRunID, o.timeout)
	}
	if err != nil {
		return err
	}
	if o.json {
		if err := cliutil.JSON(d.Out, run); err != nil {
			return err
		}
	} else if err := d.printOutcome(ctx, c, run); err != nil {
		return err
	}
	return runExit(run.Status)
}

// printOutcome says how a run ended and shows what its last tasks returned.
func (d *deps) printOutcome(ctx context.Context, c *client.Client, run api.RunDetail) error {
	if err := d.printf("Run %s %s in %s\n", run.ID, run.Status, seconds(run.CompletedAt.Sub(run.CreatedAt.Time))); err != nil {
		return err
	}
	if run.Error != "" {
		if err := d.printf("Error: %s\n", cliutil.Printable(run.Error)); err != nil {
			return err
		}
	}
	for _, task := range run.Tasks {
		last := len(run.StructureSnapshot[task.TaskID].AllowedNext) == 0
		if !last || task.SupersededBy != "" || task.Status != "completed" || task.OutputPath == "" {
			continue
		}
		var output any
		if err := c.StorageJSON(ctx, task.OutputPath, &output); err != nil {
			d.notef("warning: the output of %s could not be read: %v\n", task.TaskID, err)
			continue
		}
		if err := d.printf("\n%s returned:\n", task.TaskID); err != nil {
			return err
		}
		if err := cliutil.JSON(d.Out, output); err != nil {
			return err
		}
	}
	return nil
}
