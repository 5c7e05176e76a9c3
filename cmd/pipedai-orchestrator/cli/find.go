package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// findWorker takes an id, a label that only one worker has, or the beginning
// of either that fits only one.
func findWorker(ctx context.Context, d *deps, local reached, name string) (api.FusedWorker, error) {
	workers, err := local.Workers(ctx)
	if err != nil {
		return api.FusedWorker{}, err
	}
	return d.pick(workers, name)
}

// pick is findWorker among workers that were listed already. Exact beats
// beginning, id beats label.
func (d *deps) pick(workers []api.FusedWorker, name string) (api.FusedWorker, error) {
	for _, fits := range []func(api.FusedWorker) bool{
		func(w api.FusedWorker) bool { return w.ID == name },
		func(w api.FusedWorker) bool { return w.Label == name },
		func(w api.FusedWorker) bool {
			return name != "" && (strings.HasPrefix(w.ID, name) || strings.HasPrefix(w.Label, name))
		},
	} {
		var found []api.FusedWorker
		for _, w := range workers {
			if fits(w) {
				found = append(found, w)
			}
		}
		switch len(found) {
		case 0:
			continue
		case 1:
			return found[0], nil
		}
		var ids []string
		for _, w := range found[:min(len(found), 5)] {
			ids = append(ids, w.ID)
		}
		if len(found) > 5 {
			ids = append(ids, "...")
		}
		return api.FusedWorker{}, cliutil.Failf(cliutil.ExitUsage, "use the id: "+strings.Join(ids, ", "),
			"%d workers fit %.60q", len(found), name)
	}
	return api.FusedWorker{}, cliutil.Failf(cliutil.ExitFailed, "list them: "+d.command("list"), "no worker has the id or label %.60q", name)
}

// pickAll is pick for several names, each worker once, in the order named.
// Nothing comes back unless every name is right.
func (d *deps) pickAll(workers []api.FusedWorker, names []string) ([]api.FusedWorker, error) {
	var out []api.FusedWorker
	seen := map[string]bool{}
	for _, name := range names {
		w, err := d.pick(workers, name)
		if err != nil {
			return nil, err
		}
		if !seen[w.ID] {
			seen[w.ID] = true
			out = append(out, w)
		}
	}
	return out, nil
}

// completionPatience is how long the Tab key may take.
const completionPatience = 80 * time.Millisecond

// completeWorkers offers the workers that were not named yet. Without a daemon
// that answers at once it offers nothing, and says nothing.
func (d *deps) completeWorkers(cmd *cobra.Command, named []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	local, err := d.daemon(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	workers, err := local.Workers(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	labels := map[string]int{}
	for _, w := range workers {
		labels[w.Label]++
	}
	taken := map[string]bool{}
	for _, name := range named {
		if w, err := d.pick(workers, name); err == nil {
			taken[w.ID] = true
		}
	}
	var out []cobra.Completion
	for _, w := range workers {
		name := w.Label
		if labels[name] > 1 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' }) {
			name = w.ID // a label with blanks is one word only where people quote it
		}
		if !taken[w.ID] && strings.HasPrefix(name, begun) {
			out = append(out, cobra.CompletionWithDesc(name, cliutil.Printable(w.Label)+", "+localText(w)))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeWorker is completeWorkers for a command that takes one.
func (d *deps) completeWorker(cmd *cobra.Command, named []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(named) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return d.completeWorkers(cmd, named, begun)
}
