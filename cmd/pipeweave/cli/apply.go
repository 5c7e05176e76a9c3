package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/cliutil"
)

type applyOptions struct {
	remote remote
	file   string
	dryRun bool
	json   bool
}

func newApplyCmd(d *deps) *cobra.Command { return newApplyCmdFunc(d, runApply) }

func newApplyCmdFunc(d *deps, runF func(context.Context, *deps, applyOptions) error) *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Create or change pipelines from a file", Args: cobra.NoArgs,
		Long: `Create or change pipelines from a YAML or JSON file with one or more of them.
The server looks at all of them first and says what would change; if one is not
valid, none is stored. What is already as the file says stays untouched.`,
		Example: `  pipeweave pipelines apply -f pipelines.yaml
  pipeweave pipelines apply -f pipelines.yaml --dry-run
  generate | pipeweave pipelines apply -f -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.file == "" {
				return cliutil.UsageError("name the file with -f FILE; - is standard input")
			}
			return runF(cmd.Context(), d, o)
		},
	}
	o.remote.bind(cmd)
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "file with the definitions; - is standard input")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// What is to be done about a definition.
const (
	actionCreate    = "create"
	actionUpdate    = "update"
	actionReplace   = "replace" // one derived from tasks
	actionUnchanged = "unchanged"
	actionInvalid   = "invalid"
)

// applied is one line of the plan, and of --json.
type applied struct {
	ID       string   `json:"id"`
	Action   string   `json:"action"`
	Changes  []change `json:"changes"`
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
	Applied  bool     `json:"applied"`

	wire api.PipelineDefinition
}

// change is one member that differs.
type change struct {
	Member string `json:"member"`
	From   any    `json:"from"`
	To     any    `json:"to"`
}

func runApply(ctx context.Context, d *deps, o applyOptions) error {
	defs, err := readDefinitions(d, o.file)
	if err != nil {
		return err
	}
	c, err := d.connect(o.remote)
	if err != nil {
		return err
	}
	plan, err := planApply(ctx, c, defs)
	if err != nil {
		return err
	}
	invalid, pending := 0, 0
	for _, a := range plan {
		switch a.Action {
		case actionInvalid:
			invalid++
		case actionUnchanged:
		default:
			pending++
		}
	}
	var failed error
	if invalid == 0 && !o.dryRun {
		failed = carryOut(ctx, c, plan)
	}
	if o.json {
		if err := cliutil.JSON(d.Out, map[string]any{"pipelines": plan}); err != nil {
			return err
		}
	} else if err := d.printPlan(plan, o.dryRun || invalid > 0); err != nil {
		return err
	}
	switch {
	case failed != nil:
		return failed
	case invalid > 0:
		return cliutil.Failf(cliutil.ExitFailed, "", "%d of %d pipelines are not valid; nothing was changed", invalid, len(plan))
	case o.json || pending == 0:
		return nil
	case o.dryRun:
		return d.printf("Next: pipeweave pipelines apply -f %s\n", o.file)
	default:
		return d.printf("Next: pipeweave trigger %s --input '{}' --wait\n", plan[0].ID)
	}
}

// planApply compares each definition with what the server has.
func planApply(ctx context.Context, c *client.Client, defs []definition) ([]*applied, error) {
	all, err := c.Pipelines(ctx)
	if err != nil {
		return nil, err
	}
	stored := map[string]api.Pipeline{}
	for _, p := range all.Pipelines {
		stored[p.ID] = p
	}
	var plan []*applied
	for _, def := range defs {
		wire, err := def.wire()
		if err != nil {
			return nil, err
		}
		a := &applied{ID: def.ID, Changes: []change{}, Errors: []string{}, Warnings: []string{}, wire: wire}
		plan = append(plan, a)
		tried, err := c.TryPipeline(ctx, def.ID, wire)
		var refused *api.Error
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusBadRequest:
			a.Action, a.Errors = actionInvalid, problemsOf(refused)
			continue
		case err != nil:
			return nil, err
		}
		a.Warnings = tried.Validation.Warnings
		if !tried.Validation.Valid {
			a.Action, a.Errors = actionInvalid, tried.Validation.Errors
			continue
		}
		old, exists := stored[def.ID]
		source := metadataOf(old)["source"]
		a.Changes = changes(old, tried.Pipeline)
		switch {
		case !exists:
			a.Action = actionCreate
		case source == "service" || source == "task":
			a.Action = actionReplace
		case len(a.Changes) > 0:
			a.Action = actionUpdate
		default:
			a.Action = actionUnchanged
		}
	}
	return plan, nil
}

// changes lists the members in which two definitions differ, in the order of a
// file.
func changes(old, now api.Pipeline) []change {
	out := []change{}
	add := func(member string, from, to any) {
		if !reflect.DeepEqual(from, to) {
			out = append(out, change{member, from, to})
		}
	}
	was, is := metadataOf(old), metadataOf(now)
	delete(was, "source") // the server's own
	delete(is, "source")
	if old.ID == "" {
		return out // all of it is new
	}
	add("name", old.Name, now.Name)
	add("description", orNone(old.Description), orNone(now.Description))
	add("entryTasks", old.EntryTasks, now.EntryTasks)
	add("tasks", slices.Sorted(maps.Keys(old.Structure)), slices.Sorted(maps.Keys(now.Structure)))
	add("failureMode", old.FailureMode, now.FailureMode)
	add("version", old.Version, now.Version)
	add("metadata", was, is)
	return out
}

func metadataOf(p api.Pipeline) map[string]any {
	out := map[string]any{}
	_ = json.Unmarshal(p.Metadata, &out) // none, or an object: the server says so
	return out
}

func orNone(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// problemsOf flattens the tree of a refused request.
func problemsOf(refused *api.Error) []string {
	var out []string
	var walk func(path string, node any)
	walk = func(path string, node any) {
		switch node := node.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(node)) {
				at := strings.TrimPrefix(path+"."+name, ".")
				if name == "_errors" {
					at = path
				}
				walk(at, node[name])
			}
		case []any:
			for _, text := range node {
				out = append(out, strings.TrimPrefix(fmt.Sprintf("%s: %v", path, text), ": "))
			}
		}
	}
	walk("", refused.Details)
	if len(out) == 0 {
		out = []string{refused.Error()}
	}
	return out
}

// carryOut stores what differs, and stops at the first failure.
func carryOut(ctx context.Context, c *client.Client, plan []*applied) error {
	for _, a := range plan {
		if a.Action == actionUnchanged {
			continue
		}
		if _, err := c.PutPipeline(ctx, a.ID, a.wire); err != nil {
			return fmt.Errorf("pipeline %q: %w", a.ID, err)
		}
		a.Applied = true
	}
	return nil
}

// printPlan says what was done, or would be.
func (d *deps) printPlan(plan []*applied, only bool) error {
	signs := map[string]string{actionCreate: "+", actionUpdate: "~", actionReplace: "~", actionUnchanged: "=", actionInvalid: "!"}
	words := map[string]string{actionCreate: "created", actionUpdate: "updated", actionReplace: "updated (it was derived from tasks)",
		actionUnchanged: "unchanged", actionInvalid: "not valid"}
	if only {
		words[actionCreate], words[actionUpdate] = "to be created", "to be updated"
		words[actionReplace] = "to be updated (it is derived from tasks)"
	}
	for _, a := range plan {
		word := words[a.Action]
		if !only && !a.Applied && a.Action != actionUnchanged {
			word = "not reached"
		}
		if err := d.printf("%s %s  %s\n", signs[a.Action], a.ID, word); err != nil {
			return err
		}
		for _, ch := range a.Changes {
			if err := d.printf("    %s: %s -> %s\n", ch.Member, cliutil.Printable(short(ch.From)), cliutil.Printable(short(ch.To))); err != nil {
				return err
			}
		}
		for _, problem := range a.Errors {
			d.notef("    error: %s\n", cliutil.Printable(problem))
		}
		for _, warning := range a.Warnings {
			d.notef("    warning: %s\n", cliutil.Printable(warning))
		}
	}
	return nil
}

// short is a value on one line.
func short(v any) string {
	switch v := v.(type) {
	case string:
		if v == "" {
			return "(none)"
		}
		return v
	case []string:
		return strings.Join(v, ", ")
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}
