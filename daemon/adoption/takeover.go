package adoption

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"pipedai/api"
	"pipedai/manifest"
)

// The steps of a take-over. Until stepStart is written nothing may start the
// worker here; from then on the daemon runs it.
const (
	stepStop    = "stop"    // what ran it is being stopped
	stepStart   = "start"   // nothing else runs it; the daemon may
	stepDrain   = "drain"   // giving back: ours is being stopped
	stepRestore = "restore" // giving back: what ran it is being started
)

// takeOver files a worker that something runs as not running, then makes sure
// that nothing does, then lets the daemon run it.
func (a *Adopter) takeOver(ctx context.Context, f *finding, run bool) error {
	if f.barred != nil {
		f.verdict(api.AdoptFailed, "%s: nothing was changed: %s", f.runsAlready(), f.barred)
		return nil
	}
	if a.o.Reload == nil {
		return ErrNoDaemon
	}
	if a.o.CanRun != nil && run {
		if err := a.o.CanRun(ctx); err != nil {
			f.verdict(api.AdoptFailed, "the daemon could not run it, so nothing was changed: %s", err)
			return nil
		}
	}
	st := a.before(f, run)
	f.entry.Running, f.entry.Enabled = false, run
	rec, err := a.o.Manifest.BeginAdoption(ctx, f.entry, manifest.Adoption{Status: manifest.AdoptionTakingOver, Step: stepStop, State: st.encode()})
	if err != nil {
		return a.notFiled(f, err)
	}
	a.o.Reached("filed")
	return a.settle(ctx, f, rec)
}

// resume goes on with what was cut off.
func (a *Adopter) resume(ctx context.Context, f *finding) error {
	open, err := a.o.Manifest.OpenAdoptions(ctx)
	if err != nil {
		return err
	}
	for _, rec := range open {
		if rec.EntryID == f.item.WorkerID {
			if a.o.Reload == nil {
				return ErrNoDaemon
			}
			return a.settle(ctx, f, rec)
		}
	}
	f.verdict(api.AdoptManaged, "already managed")
	return nil
}

// settle carries an adoption to its end from wherever it is, and words how
// that went.
func (a *Adopter) settle(ctx context.Context, f *finding, rec manifest.Adoption) error {
	f.item.Fix = ""
	failed := error(nil)
	if rec.Status == manifest.AdoptionTakingOver {
		failed = a.forward(ctx, &rec)
		if failed == nil {
			f.verdict(api.AdoptTakenOver, "")
			return nil
		}
	} else if rec.Error != "" {
		failed = errors.New(rec.Error)
	}
	if errors.Is(failed, ErrDraining) || ctx.Err() != nil {
		a.unfinished(f, rec)
		if failed != nil && ctx.Err() == nil {
			f.item.Reason = failed.Error()
		}
		return context.Cause(ctx)
	}
	var unwritten *journalError
	if errors.As(failed, &unwritten) {
		return failed // nothing more is changed without a journal
	}
	notes, err := a.giveBack(ctx, &rec, failed)
	if err != nil {
		a.unfinished(f, rec)
		f.item.Reason = err.Error()
		if failed != nil {
			f.item.Reason = fmt.Sprintf("%v; and it could not be given back: %v", failed, err)
		}
		return context.Cause(ctx)
	}
	status := api.AdoptFailed
	if failed == nil {
		status = api.AdoptUndone
		f.verdict(status, "")
	} else {
		f.verdict(status, "%s; it is not adopted, and things are as before", failed)
	}
	f.item.Warnings = append(f.item.Warnings, notes...)
	return nil
}

// journalError says that the manifest could not be written or read.
type journalError struct{ error }

func (e *journalError) Unwrap() error { return e.error }

func (a *Adopter) change(ctx context.Context, rec *manifest.Adoption, change manifest.EntryChange) error {
	if err := a.o.Manifest.ChangeAdoption(ctx, *rec, change); err != nil {
		return &journalError{err}
	}
	return nil
}

// forward does the steps that are left. Every one may have been done before.
func (a *Adopter) forward(ctx context.Context, rec *manifest.Adoption) error {
	var st state
	if err := json.Unmarshal(rec.State, &st); err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	if rec.Step == stepStop {
		if err := a.reload(ctx); err != nil {
			return err
		}
		if err := a.stopOthers(ctx, *rec, st); err != nil {
			return err
		}
		a.o.Reached("stopped")
		if err := a.quiet(ctx, *rec); err != nil {
			return err
		}
		rec.Step = stepStart
		change := manifest.KeepEntry
		if st.Run {
			change = manifest.RunEntry
		}
		if err := a.change(ctx, rec, change); err != nil {
			return err
		}
		a.o.Reached("allowed")
	}
	if err := a.reload(ctx); err != nil {
		return err
	}
	a.o.Reached("told")
	if st.Run {
		if err := a.started(ctx, *rec, st); err != nil {
			return err
		}
	}
	rec.Status, rec.Step = manifest.AdoptionDone, ""
	if err := a.change(ctx, rec, manifest.KeepEntry); err != nil {
		return err
	}
	a.o.Reached("adopted")
	return nil
}

func (a *Adopter) reload(ctx context.Context) error {
	if a.o.Reload == nil {
		return ErrNoDaemon
	}
	if err := a.o.Reload(ctx); err != nil {
		return fmt.Errorf("have the daemon take it up: %w", err)
	}
	return nil
}

// stopOthers disables and stops the units, asks processes of no unit to end,
// and waits until none of them is left.
func (a *Adopter) stopOthers(ctx context.Context, rec manifest.Adoption, st state) error {
	units := a.units(ctx, st)
	if err := a.stopUnits(ctx, units); err != nil {
		return err
	}
	known := map[int]int64{} // processes of the units, and those asked to end
	told, first := false, true
	for until := time.Now().Add(a.o.Grace); ; {
		others, err := a.others(ctx, rec)
		if err != nil {
			return err
		}
		active := false
		for i := range units {
			units[i].manager.inspect(ctx, &units[i])
			active = active || units[i].active
		}
		if len(others) == 0 && !active {
			return nil
		}
		if err := a.askOthers(others, units, known, first); err != nil {
			return err
		}
		first = false
		if !told && len(others) > 0 {
			a.o.Tell(fmt.Sprintf("waiting for process %d to finish its run and end", others[0].pid))
			told = true
		}
		if time.Now().After(until) {
			if len(others) == 0 {
				return fmt.Errorf("%w (unit %s)", ErrDraining, units[0].name)
			}
			return fmt.Errorf("%w (process %d)", ErrDraining, others[0].pid)
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// stopUnits disables the units, so that nothing starts them, and stops them.
func (a *Adopter) stopUnits(ctx context.Context, units []unit) error {
	for _, u := range units {
		if err := u.manager.disable(ctx, u); err != nil {
			return fmt.Errorf("disable the unit %s: %w", u.name, err)
		}
		a.o.Reached("disabled")
		if err := u.manager.stop(ctx, u); err != nil {
			return fmt.Errorf("stop the unit %s: %w", u.name, err)
		}
		a.o.Reached("unit-stopped")
	}
	return nil
}

// askOthers asks the processes of no unit to end, the first time; one that
// turns up later came back. Those of units, which are stopping, and those that
// were asked are kept in known.
func (a *Adopter) askOthers(others []proc, units []unit, known map[int]int64, first bool) error {
	for _, p := range others {
		if _, belongs := owner(p, units); belongs || known[p.pid] == p.start {
			known[p.pid] = p.start // a unit that has just ended does not know it any more
			continue
		}
		if !first && !p.alive() {
			continue
		}
		if !first { // it was not there when the others were asked to end
			return cameBack(p)
		}
		if p.foreign() {
			return fmt.Errorf("process %d belongs to the user %s", p.pid, p.user())
		}
		if err := p.terminate(); err != nil {
			return err
		}
		known[p.pid] = p.start
		a.o.Reached("asked")
	}
	return nil
}

// units are those of the journal, with how they are now.
func (a *Adopter) units(ctx context.Context, st state) []unit {
	var out []unit
	for _, was := range st.Units {
		for _, m := range a.managers {
			if m.kind() != was.Manager {
				continue
			}
			u := unit{manager: m, name: was.Name, file: was.File}
			m.inspect(ctx, &u)
			u.permanent = was.Lasting
			out = append(out, u)
		}
	}
	return out
}

// others are the processes that run the worker and are not the daemon's.
func (a *Adopter) others(ctx context.Context, rec manifest.Adoption) ([]proc, error) {
	info, err := os.Stat(rec.ConfigPath)
	if err != nil {
		info = nil // by its name, then
	}
	others, _, err := a.standAlone(ctx, rec.EntryID, rec.ConfigPath, info)
	return others, err
}

// quiet makes sure that nothing starts the worker again by itself, before the
// daemon does.
func (a *Adopter) quiet(ctx context.Context, rec manifest.Adoption) error {
	for until := time.Now().Add(a.o.Settle); ; {
		others, err := a.others(ctx, rec)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			return cameBack(others[0])
		}
		if time.Now().After(until) {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func cameBack(p proc) error {
	by := ""
	if parent, err := lookAt(p.parent); err == nil && p.parent > 1 && len(parent.argv) > 0 {
		by = fmt.Sprintf(", started by process %d (%.80s)", p.parent, parent.argv[0])
	}
	return fmt.Errorf("%w: it is there as process %d%s; end that for good, then adopt again", ErrCameBack, p.pid, by)
}

// started waits until the daemon runs the worker, and watches a while whether
// anything else does.
func (a *Adopter) started(ctx context.Context, rec manifest.Adoption, st state) error {
	limit := time.Now().Add(a.o.Start)
	var watched time.Time
	suspect := map[int]int64{}
	for {
		others, err := a.others(ctx, rec)
		if err != nil {
			return err
		}
		seen := map[int]int64{}
		for _, p := range others {
			// Ours is a stranger until the daemon has written it down, so one look
			// says nothing.
			if suspect[p.pid] == p.start && p.alive() {
				return cameBack(p)
			}
			seen[p.pid] = p.start
		}
		suspect = seen
		record, err := a.record(ctx, rec.EntryID)
		if err != nil {
			return err
		}
		now := time.Now()
		up := record.Live && record.PID != 0
		switch {
		case up && watched.IsZero():
			watched = now.Add(a.o.Watch)
			a.o.Reached("running")
		case !watched.IsZero() && now.After(watched):
			return nil
		case watched.IsZero() && now.After(limit):
			if len(st.Units) > 0 {
				return fmt.Errorf("the daemon could not start it within %s", a.o.Start)
			}
			return nil // nothing else can run it; the daemon goes on trying, and says why it cannot
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}
