package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

type schemaOptions struct {
	remote remote
	task   string
	input  inputFlags
	json   bool
}

func newSchemaCmd(d *deps) *cobra.Command {
	var o schemaOptions
	cmd := &cobra.Command{
		Use: "schema TASK", Short: "Show what the input of a task must look like", Args: cobra.ExactArgs(1),
		Example: "  pipeweave tasks schema download",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.task = args[0]
			return runSchema(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runSchema(ctx context.Context, d *deps, o schemaOptions) error {
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	schema, err := c.InputSchema(ctx, o.task)
	if err != nil {
		return named(err, "task", o.task, "pipeweave tasks list")
	}
	if o.json {
		return cliutil.JSON(d.Out, schema)
	}
	if !schema.HasSchema {
		return d.printf("Task %s takes any input.\n", o.task)
	}
	var shown struct {
		Strict bool          `json:"strict"`
		Fields []shownSchema `json:"fields"`
	}
	if err := json.Unmarshal(schema.Schema, &shown); err != nil {
		return fmt.Errorf("read the schema of task %q: %w", o.task, err)
	}
	var rows [][]string
	for _, f := range shown.Fields {
		rows = append(rows, f.rows("")...)
	}
	if err := cliutil.Table(d.Out, d.Width, []string{"FIELD", "TYPE", "NEEDED", "RULES", "LABEL"}, rows); err != nil {
		return err
	}
	if shown.Strict {
		return d.printf("Other fields are refused.\n")
	}
	return nil
}

// shownSchema is one field as people see it.
type shownSchema struct {
	Name, Type, Label string
	Required          bool
	MinLength         *float64
	MaxLength         *float64
	Min, Max          *float64
	Pattern, Accept   string
	MaxSize           *float64
	Options           []struct{ Value json.RawMessage }
	Items             *shownSchema
	Properties        []shownSchema
	ShowIf            *struct {
		Field, Operator string
		Value           json.RawMessage
	}
}

func (f shownSchema) rows(prefix string) [][]string {
	name := prefix + f.Name
	var rules []string
	for _, bound := range []struct {
		word string
		n    *float64
	}{{"min", f.Min}, {"max", f.Max}, {"min length", f.MinLength}, {"max length", f.MaxLength}, {"max size", f.MaxSize}} {
		if bound.n != nil {
			rules = append(rules, fmt.Sprintf("%s %v", bound.word, *bound.n))
		}
	}
	if f.Pattern != "" {
		rules = append(rules, "matches "+f.Pattern)
	}
	if f.Accept != "" {
		rules = append(rules, "accepts "+f.Accept)
	}
	var options []string
	for _, option := range f.Options {
		options = append(options, string(option.Value))
	}
	if len(options) > 0 {
		rules = append(rules, "one of "+strings.Join(options, ", "))
	}
	if f.ShowIf != nil {
		rules = append(rules, fmt.Sprintf("if %s %s %s", f.ShowIf.Field, f.ShowIf.Operator, f.ShowIf.Value))
	}
	needed := "no"
	if f.Required {
		needed = "yes"
	}
	out := [][]string{{name, f.Type, needed, strings.Join(rules, "; "), f.Label}}
	for _, p := range f.Properties {
		out = append(out, p.rows(name+".")...)
	}
	if f.Items != nil {
		item := *f.Items
		item.Name = "*"
		out = append(out, item.rows(name+".")...)
	}
	return out
}

func newValidateCmd(d *deps) *cobra.Command {
	var o schemaOptions
	cmd := &cobra.Command{
		Use: "validate TASK", Short: "Hold an input against the schema of a task", Args: cobra.ExactArgs(1),
		Long:    "Hold an input against the schema of a task. The exit code is 0 when it fits and 1 when it does not.",
		Example: `  pipeweave tasks validate download --input '{"pdfUrl": "..."}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.task = args[0]
			if err := o.input.check(); err != nil {
				return err
			}
			return runValidate(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	o.input.bind(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runValidate(ctx context.Context, d *deps, o schemaOptions) error {
	input, err := o.input.read(d)
	if err != nil {
		return err
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	found, err := c.ValidateInput(ctx, o.task, input)
	if err != nil {
		return named(err, "task", o.task, "pipeweave tasks list")
	}
	switch {
	case o.json:
		err = cliutil.JSON(d.Out, found)
	case found.Valid:
		err = d.printf("The input fits task %s.\n", o.task)
	default:
		d.noteInput("error", map[string][]api.FieldError{o.task: found.Errors})
	}
	if err != nil || found.Valid {
		return err
	}
	return cliutil.Failf(cliutil.ExitFailed, "see: pipeweave tasks schema "+o.task, "the input does not fit")
}
