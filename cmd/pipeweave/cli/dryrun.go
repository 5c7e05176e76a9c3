package cli

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type dryRunOptions struct {
	remote   remote
	pipeline string
	input    string
	json     bool
}

func newDryRunCmd(d *deps) *cobra.Command {
	var o dryRunOptions
	cmd := &cobra.Command{
		Use: "dry-run PIPELINE", Short: "Check a pipeline and show how it would run", Args: cobra.ExactArgs(1),
		Long: `Check a pipeline and show how it would run, without starting a run. With
--input it also says what of that input would not fit. The exit code is 0 when
it could run and 1 when it could not, or when the input does not fit.`,
		Example:           "  pipeweave pipelines dry-run pdf-processor --input @input.json",
		ValidArgsFunction: d.completePipelines,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return runDryRun(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVarP(&o.input, "input", "i", "", "an input to check, as JSON, or @FILE")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runDryRun(ctx context.Context, d *deps, o dryRunOptions) error {
	var input json.RawMessage
	if o.input != "" {
		read, err := inputFlags{text: o.input}.read(d)
		if err != nil {
			return err
		}
		input = read
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	plan, err := c.DryRun(ctx, o.pipeline, input)
	if err != nil {
		return named(err, "pipeline", o.pipeline, "pipeweave pipelines")
	}
	if o.json {
		err = cliutil.JSON(d.Out, plan)
	} else {
		err = d.printDryRun(plan)
	}
	switch {
	case err != nil:
		return err
	case !plan.Valid:
		return cliutil.Failf(cliutil.ExitFailed, "", "pipeline %q cannot run", o.pipeline)
	case len(plan.InputErrors) > 0:
		return cliutil.Failf(cliutil.ExitFailed, "", "the input does not fit")
	case o.json:
		return nil
	default:
		return d.printf("Next: pipeweave trigger %s --input '{}' --wait\n", o.pipeline)
	}
}

// printDryRun shows the steps, counted from 1, and what is wrong.
func (d *deps) printDryRun(plan api.DryRun) error {
	for _, step := range plan.Plan {
		kind := step.Type
		if len(step.WaitsFor) > 0 {
			kind += ", waits for: " + strings.Join(step.WaitsFor, ", ")
		}
		if err := d.printf("  %d. %s (%s)\n", step.Step+1, strings.Join(step.Tasks, ", "), kind); err != nil {
			return err
		}
	}
	for _, problem := range plan.Errors {
		d.notef("error: %s\n", problem)
	}
	for _, warning := range plan.Warnings {
		d.notef("warning: %s\n", warning)
	}
	d.noteInput("error", plan.InputErrors)
	return nil
}

// noteInput shows what of an input does not fit.
func (d *deps) noteInput(word string, wrong map[string][]api.FieldError) {
	for _, task := range slices.Sorted(maps.Keys(wrong)) {
		for _, e := range wrong[task] {
			d.notef("%s: input of %s: %s\n", word, task, cliutil.Printable(first(e.Field, "(whole)")+": "+e.Message))
		}
	}
}

// refusedInput is what a server says about an input that it refused in mode
// "strict"; nil for any other error.
func refusedInput(err error) map[string][]api.FieldError {
	var refused *api.Error
	if !errors.As(err, &refused) || refused.Code != api.CodeInvalidInput {
		return nil
	}
	return refused.ValidationErrors
}
