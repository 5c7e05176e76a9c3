package adoption

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/manifest"
)

// ErrNotAdopted says that there is nothing to undo.
var ErrNotAdopted = errors.New("no such worker was adopted")

// Undoable lists the workers that were adopted and still are, or whose
// adoption was cut off, in the order they were adopted.
func (a *Adopter) Undoable(ctx context.Context) ([]api.AdoptItem, error) {
	all, err := a.o.Manifest.Adoptions(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := a.o.Manifest.Entries(ctx)
	if err != nil {
		return nil, err
	}
	var out []api.AdoptItem
	for _, rec := range all {
		at := slices.IndexFunc(entries, func(e manifest.Entry) bool { return e.ID == rec.EntryID })
		item := api.AdoptItem{Path: rec.ConfigPath, Label: labelOf(rec.ConfigPath), WorkerID: rec.EntryID, Status: api.AdoptManaged}
		switch {
		case rec.Status.Open():
			item.Status = api.AdoptUnfinished
		case rec.Status != manifest.AdoptionDone, at < 0, entries[at].ConfigPath != rec.ConfigPath:
			continue // given back, deleted, or connected anew since
		}
		if at >= 0 {
			item.Label, item.APIURL, item.Mode = entries[at].Label, entries[at].APIURL, string(entries[at].Mode)
		}
		out = append(out, item)
	}
	return out, nil
}

// Undo takes a worker out of the manifest again: the daemon stops it, then what
// ran it before its adoption does again. The file stays as it is. Undoing once
// more what was undone is no error.
func (a *Adopter) Undo(ctx context.Context, id string) (api.AdoptItem, error) {
	release, err := a.lock()
	if err != nil {
		return api.AdoptItem{}, err
	}
	defer release()
	all, err := a.o.Manifest.Adoptions(ctx)
	if err != nil {
		return api.AdoptItem{}, err
	}
	at := slices.IndexFunc(all, func(rec manifest.Adoption) bool { return rec.EntryID == id })
	if at < 0 {
		return api.AdoptItem{}, ErrNotAdopted
	}
	rec := all[at]
	f := finding{item: api.AdoptItem{Path: rec.ConfigPath, Label: labelOf(rec.ConfigPath), WorkerID: id}}
	_, err = a.o.Manifest.Entry(ctx, id)
	gone := errors.Is(err, manifest.ErrNotFound)
	if err != nil && !gone {
		return f.item, err
	}
	if !rec.Status.Open() && gone {
		if rec.Status == manifest.AdoptionDone {
			return f.item, fmt.Errorf("%w: it was deleted since, and its credential revoked", ErrNotAdopted)
		}
		f.verdict(api.AdoptUndone, "it is not adopted any more")
		return f.item, nil
	}
	if !rec.Status.Open() && rec.Status != manifest.AdoptionDone {
		return f.item, fmt.Errorf("%w: it came here in another way since", ErrNotAdopted)
	}
	if rec.Status != manifest.AdoptionUndoing {
		rec.Status, rec.Step, rec.Error = manifest.AdoptionUndoing, stepDrain, ""
		if err := a.change(ctx, &rec, manifest.StopEntry); err != nil {
			return f.item, err
		}
		a.o.Reached("undo-begun")
	}
	rec.Error = "" // a take-over that failed is not what this ends as
	err = a.settle(ctx, &f, rec)
	return f.item, err
}

// giveBack ends an adoption by undoing it: ours stops, the entry goes, then the
// units are as they were. why is nil when a person asked for it. It returns
// what to tell besides.
func (a *Adopter) giveBack(ctx context.Context, rec *manifest.Adoption, why error) ([]string, error) {
	var st state
	if err := json.Unmarshal(rec.State, &st); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	if rec.Status != manifest.AdoptionUndoing {
		rec.Status, rec.Step = manifest.AdoptionUndoing, stepDrain
		if why != nil {
			rec.Error = why.Error()
		}
		if err := a.change(ctx, rec, manifest.StopEntry); err != nil {
			return nil, err
		}
		a.o.Reached("undo-begun")
	}
	if rec.Step == stepDrain {
		if err := a.stopOurs(ctx, *rec); err != nil {
			return nil, err
		}
		a.o.Reached("undo-stopped")
		rec.Step = stepRestore
		if err := a.change(ctx, rec, manifest.RemoveEntry); err != nil {
			return nil, err
		}
		a.o.Reached("undo-removed")
	}
	if a.o.Reload != nil {
		if err := a.reload(ctx); err != nil {
			return nil, err
		}
	}
	notes, err := a.restore(ctx, *rec, st)
	if err != nil {
		return notes, err
	}
	a.o.Reached("undo-restored")
	rec.Status, rec.Step = manifest.AdoptionUndone, ""
	if why != nil {
		rec.Status = manifest.AdoptionFailed
	}
	if err := a.change(ctx, rec, manifest.KeepEntry); err != nil {
		return notes, err
	}
	a.o.Reached("undone")
	return notes, nil
}

// stopOurs waits until the daemon's process has ended.
func (a *Adopter) stopOurs(ctx context.Context, rec manifest.Adoption) error {
	if a.o.Reload != nil {
		if err := a.reload(ctx); err != nil {
			return err
		}
	}
	told := false
	for until := time.Now().Add(a.o.Grace); ; {
		info, err := os.Stat(rec.ConfigPath)
		if err != nil {
			info = nil
		}
		_, ours, err := a.standAlone(ctx, rec.EntryID, rec.ConfigPath, info)
		if err != nil {
			return err
		}
		record, err := a.record(ctx, rec.EntryID)
		if err != nil {
			return err
		}
		// One that is about to be started has no process yet.
		busy := len(ours) > 0 || a.o.Reload != nil && record.Live
		switch {
		case !busy:
			return nil
		case a.o.Reload == nil:
			return fmt.Errorf("its process %d runs on without the daemon: start the daemon first: %s", ours[0].pid, a.o.Command("start", ""))
		case time.Now().After(until):
			return fmt.Errorf("%w (process %d of the daemon)", ErrDraining, record.PID)
		}
		if !told && record.PID != 0 {
			a.o.Tell(fmt.Sprintf("waiting for process %d to finish its run and end", record.PID))
			told = true
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// restore makes units and the file's mode as they were. A unit is not started
// while something else runs the worker.
func (a *Adopter) restore(ctx context.Context, rec manifest.Adoption, st state) ([]string, error) {
	var notes []string
	if err := enroll.RemoveWorkerEnv(rec.ConfigPath); err != nil {
		notes = append(notes, "its secret variables could not be removed: "+err.Error())
	}
	data, err := os.ReadFile(rec.ConfigPath)
	sum := sha256.Sum256(data)
	switch {
	case err != nil:
		notes = append(notes, "the file cannot be read any more: "+reason(err).Error())
	case hex.EncodeToString(sum[:]) != st.Sum:
		notes = append(notes, "the file was changed since it was adopted; it stays as it is")
	}
	if st.Mode != 0 && err == nil {
		if err := os.Chmod(rec.ConfigPath, st.Mode); err != nil {
			notes = append(notes, "its mode could not be put back: "+reason(err).Error())
		}
	}
	for _, was := range st.Units {
		for _, u := range a.units(ctx, state{Units: []unitState{was}}) {
			if was.Enabled {
				if err := u.manager.enable(ctx, u); err != nil {
					return notes, fmt.Errorf("enable the unit %s: %w", u.name, err)
				}
				a.o.Reached("undo-enabled")
			}
			if !was.Active {
				continue
			}
			others, err := a.others(ctx, rec)
			if err != nil {
				return notes, err
			}
			others = slices.DeleteFunc(others, func(p proc) bool { _, own := owner(p, []unit{u}); return own })
			if len(others) > 0 {
				notes = append(notes, fmt.Sprintf("process %d runs it, so the unit %s was not started", others[0].pid, u.name))
				continue
			}
			if !was.Lasting && was.File == "" {
				notes = append(notes, "the unit "+u.name+" was made at run time and cannot be started again")
				continue
			}
			if err := u.manager.start(ctx, u); err != nil {
				return notes, fmt.Errorf("start the unit %s: %w", u.name, err)
			}
			a.o.Reached("undo-started")
		}
	}
	for _, p := range st.Processes {
		others, err := a.others(ctx, rec)
		if err == nil && len(others) > 0 {
			notes = append(notes, fmt.Sprintf("process %d runs it; if it was asked to end already, start it again then: %s", others[0].pid, p.Command))
		} else if err == nil {
			notes = append(notes, fmt.Sprintf("nothing runs it now: it was process %d, of no unit; start it again as you did: %s", p.PID, p.Command))
		}
	}
	return notes, nil
}
