package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"pipedai/api"
	"pipedai/daemon/adoption"
	"pipedai/internal/cliutil"
)

// runUndoAdopt gives workers back.
func runUndoAdopt(ctx context.Context, d *deps, o adoptOptions) error {
	if o.grace <= 0 || o.all && o.worker != "" {
		return cliutil.UsageError("--grace must be more than 0, and --all takes no worker")
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir.Manifest()); errors.Is(err, fs.ErrNotExist) {
		return cliutil.Failf(cliutil.ExitFailed, "", "nothing was adopted on this host")
	}
	a, done, err := d.adopter(ctx, o)
	if err != nil {
		return err
	}
	defer done()
	items, err := a.Undoable(ctx)
	if err != nil {
		return d.explainHome(err)
	}
	chosen, err := d.chooseUndo(items, o)
	if err != nil {
		return err
	}
	report := adoptReport{DryRun: o.dryRun, Items: chosen}
	if !o.dryRun {
		report.Items = nil
		for _, item := range chosen {
			got, err := a.Undo(ctx, item.WorkerID)
			if err != nil {
				if errors.Is(err, adoption.ErrNotAdopted) {
					return cliutil.Fail(cliutil.ExitFailed, err, "list what was adopted: "+d.command("adopt --undo --all --dry-run"))
				}
				return d.explainAdopt(ctx, err)
			}
			report.Items = append(report.Items, got)
		}
	}
	return d.tellUndo(report, o)
}

// chooseUndo finds the adopted workers that the person means. An id that was
// given back before is taken as it is: undoing twice is no error.
func (d *deps) chooseUndo(items []api.AdoptItem, o adoptOptions) ([]api.AdoptItem, error) {
	if o.all {
		return items, nil
	}
	if o.worker == "" {
		switch len(items) {
		case 0:
			return nil, cliutil.Failf(cliutil.ExitFailed, "", "no adopted worker is on this host")
		case 1:
			return items, nil
		}
		var names []string
		for _, item := range items {
			names = append(names, item.Label)
		}
		return nil, cliutil.Failf(cliutil.ExitUsage, "name one, or say --all", "several workers were adopted: %s", cliutil.Printable(strings.Join(names, ", ")))
	}
	var found []api.AdoptItem
	for _, item := range items {
		if item.WorkerID == o.worker {
			return []api.AdoptItem{item}, nil
		}
		if item.Label == o.worker {
			found = append(found, item)
		}
	}
	switch len(found) {
	case 0:
		return []api.AdoptItem{{WorkerID: o.worker, Label: o.worker}}, nil
	case 1:
		return found, nil
	}
	return nil, cliutil.Failf(cliutil.ExitUsage, "name it by its id", "%d adopted workers are called %s", len(found), cliutil.Printable(o.worker))
}

func (d *deps) tellUndo(report adoptReport, o adoptOptions) error {
	open := 0
	for i, item := range report.Items {
		if item.Status == api.AdoptUnfinished && !o.dryRun {
			open++
		}
		if o.json {
			continue
		}
		if o.dryRun {
			d.printf("would give back %s\n", cliutil.Printable(item.Label+" ("+item.Path+")"))
			continue
		}
		text := adoptLine(item, o)
		if item.Status == api.AdoptUndone && item.Reason != "" {
			text += ": " + item.Reason
		}
		d.printf("%s\n", cliutil.Printable(text))
		for _, w := range report.Items[i].Warnings {
			d.notef("  note: %s\n", cliutil.Printable(w))
		}
	}
	if o.json {
		if report.Items == nil {
			report.Items = []api.AdoptItem{}
		}
		if err := cliutil.JSON(d.streams.Out, report); err != nil {
			return err
		}
	} else if o.dryRun {
		d.printf("Nothing was done.\n")
	}
	if open > 0 {
		return cliutil.Failf(cliutil.ExitTimeout, "run the command again; it goes on", "%d not given back yet", open)
	}
	return nil
}
