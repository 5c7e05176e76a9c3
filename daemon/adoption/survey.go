package adoption

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pipedai/api"
	"pipedai/manifest"
)

// finding is one worker.json with all there is to know about it.
type finding struct {
	file
	item   api.AdoptItem
	units  []unit
	others []proc // what runs it besides the daemon
	// barred says why a take-over is not possible; nil when it is.
	barred error
}

func (f *finding) verdict(status, format string, args ...any) {
	f.item.Status, f.item.Reason = status, fmt.Sprintf(format, args...)
}

// Survey looks at files and at what runs their workers. It changes nothing.
func (a *Adopter) Survey(ctx context.Context, paths []string) ([]api.AdoptItem, error) {
	found, err := a.survey(ctx, paths)
	items := make([]api.AdoptItem, 0, len(found))
	for _, f := range found {
		items = append(items, f.item)
	}
	return items, err
}

func (a *Adopter) survey(ctx context.Context, paths []string) ([]finding, error) {
	var entries []manifest.Entry
	open := map[string]manifest.Adoption{}
	if a.o.Manifest != nil {
		var err error
		if entries, err = a.o.Manifest.Entries(ctx); err != nil {
			return nil, err
		}
		unfinished, err := a.o.Manifest.OpenAdoptions(ctx)
		if err != nil {
			return nil, err
		}
		for _, u := range unfinished {
			open[u.EntryID] = u
		}
	}
	var units []unit
	for _, m := range a.managers {
		units = append(units, m.find()...)
	}
	taken := map[string]string{} // worker ids of files before
	out := make([]finding, 0, len(paths))
	for _, path := range paths {
		f := finding{}
		var err error
		var invalid *invalidError
		f.file, err = read(path)
		f.item = api.AdoptItem{
			Path: path, Label: f.entry.Label, WorkerID: f.entry.ID, APIURL: f.entry.APIURL,
			WorkspaceID: f.entry.WorkspaceID, Mode: string(f.entry.Mode), Status: api.AdoptAdoptable,
		}
		managed := managedBy(entries, f.file)
		switch {
		case managed != nil && open[managed.ID].Status.Open():
			a.unfinished(&f, open[managed.ID])
		case managed != nil:
			f.item.WorkerID = managed.ID
			f.verdict(api.AdoptManaged, "already managed (by configPath)")
		case errors.As(err, &invalid):
			f.verdict(api.AdoptFailed, "%s", err)
		case err != nil:
			f.verdict(api.AdoptUnusable, "%s", err)
		case open[f.entry.ID].Status.Open():
			a.unfinished(&f, open[f.entry.ID])
		case slices.ContainsFunc(entries, func(e manifest.Entry) bool { return e.ID == f.entry.ID }):
			f.verdict(api.AdoptManaged, "already managed (by workerId)")
		case taken[f.entry.ID] != "":
			f.verdict(api.AdoptManaged, "already managed (by workerId): %s has the same", taken[f.entry.ID])
		default:
			taken[f.entry.ID] = path
			if err := a.examine(ctx, &f, units); err != nil {
				return out, err
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// managedBy is the entry whose file this is, by whatever name.
func managedBy(entries []manifest.Entry, f file) *manifest.Entry {
	for i, e := range entries {
		if e.ConfigPath == f.path {
			return &entries[i]
		}
		if f.info == nil {
			continue
		}
		if info, err := os.Stat(e.ConfigPath); err == nil && os.SameFile(info, f.info) {
			return &entries[i]
		}
	}
	return nil
}

func (a *Adopter) unfinished(f *finding, rec manifest.Adoption) {
	f.item.WorkerID, f.item.Status = rec.EntryID, api.AdoptUnfinished
	f.item.Reason = "its take-over was cut off, or waits for a run to end; until it goes on the daemon does not run it"
	f.item.Fix = "go on: " + a.o.Command("adopt --take-over", filepath.Dir(rec.ConfigPath)) + ", or take it back: " + a.o.Command("adopt --undo "+rec.EntryID, "")
	if rec.Status == manifest.AdoptionUndoing {
		f.item.Reason = "it was being given back, and that was cut off"
		f.item.Fix = "go on: " + a.o.Command("adopt --undo "+rec.EntryID, "")
	}
}

// examine finds what runs a worker, and whether that can be taken over.
func (a *Adopter) examine(ctx context.Context, f *finding, units []unit) error {
	f.units = a.unitsFor(ctx, units, f.path, f.info)
	var err error
	var ours []proc
	if f.others, ours, err = a.standAlone(ctx, f.entry.ID, f.path, f.info); err != nil {
		return err
	}
	f.others = append(f.others, ours...) // of the daemon, but in no manifest: left of another home, say
	a.transient(ctx, f)
	for _, u := range f.units {
		f.item.Units = append(f.item.Units, api.AdoptUnit{Manager: u.manager.kind(), Name: u.name, File: u.file, Active: u.active, Enabled: u.enabled})
	}
	for _, p := range f.others {
		shown := api.AdoptProcess{PID: p.pid, Command: p.command()}
		if p.foreign() {
			shown.User = p.user()
		}
		if u, belongs := owner(p, f.units); belongs {
			shown.Unit = u.name
		}
		f.item.Processes = append(f.item.Processes, shown)
	}
	if f.lax {
		f.item.Warnings = append(f.item.Warnings, "others can read it")
	}
	if !f.token {
		f.item.Warnings = append(f.item.Warnings, "it has no workerToken, so the worker cannot sign in")
	}
	f.barred = a.bars(f)
	if text := f.runsAlready(); text != "" {
		f.verdict(api.AdoptRunning, "%s", text)
		f.item.Fix = "let this host take it over: " + a.o.Command("adopt --take-over", filepath.Dir(f.path))
		if f.barred != nil {
			f.item.Fix = f.barred.Error()
		}
	} else if len(f.units) > 0 {
		f.item.Warnings = append(f.item.Warnings, "the unit "+f.units[0].name+" would run it too, if somebody started that")
	}
	return nil
}

// transient adds the units that were made at run time and that a process is
// the main one of. A unit that merely has the process in its group, cron's say,
// is none that may be stopped.
func (a *Adopter) transient(ctx context.Context, f *finding) {
	for _, p := range f.others {
		if p.unit == "" {
			continue
		}
		for _, m := range a.managers {
			if m.kind() == "launchd" || slices.ContainsFunc(f.units, func(u unit) bool { return u.name == p.unit }) {
				continue
			}
			u := unit{manager: m, name: p.unit}
			if m.inspect(ctx, &u); u.active && u.pid == p.pid {
				f.units = append(f.units, u)
			}
		}
	}
}

// runsAlready says what runs a worker or will; empty when nothing does.
func (f *finding) runsAlready() string {
	var parts []string
	for _, p := range f.item.Processes {
		text := fmt.Sprintf("process %d", p.PID)
		if p.Unit != "" {
			text += " of the unit " + p.Unit
		}
		if p.User != "" {
			text += " of the user " + p.User
		}
		parts = append(parts, text)
	}
	for _, u := range f.units {
		switch {
		case slices.ContainsFunc(f.item.Processes, func(p api.AdoptProcess) bool { return p.Unit == u.name }):
		case u.active:
			parts = append(parts, "the unit "+u.name)
		case u.enabled:
			parts = append(parts, "the unit "+u.name+", at the next start of the machine or of its owner's session,")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, " and ") + " runs it"
}

// bars says why a worker cannot be taken over.
func (a *Adopter) bars(f *finding) error {
	for _, u := range f.units {
		if err := u.manager.allowed(u); err != nil {
			return fmt.Errorf("%w; run %s, then adopt again", err, u.manager.words(u))
		}
		if len(u.startedBy) > 0 {
			return fmt.Errorf("the unit %s is started by %s: disable that first, then adopt again", u.name, strings.Join(u.startedBy, ", "))
		}
	}
	for _, p := range f.others {
		if _, belongs := owner(p, f.units); p.foreign() && !belongs {
			return fmt.Errorf("process %d belongs to the user %s: end it there, then adopt again", p.pid, p.user())
		}
	}
	if len(f.others) > 0 && !canAsk {
		return errors.New("programs cannot be asked to end here: end it yourself, then adopt again")
	}
	return nil
}
