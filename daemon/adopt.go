package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/daemon/adoption"
	"pipedai/daemon/localapi"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// Taking stand-alone workers in for the local API. The command line does the
// same by itself, with the rights of whoever typed it.

var _ localapi.Adoption = (*host)(nil)

// adoptInput is what "adopt" was asked for.
type adoptInput struct {
	Paths    []string `json:"paths"`
	Disabled bool     `json:"disabled,omitempty"`
}

// adoptState is what became of each file, once it did.
type adoptState struct {
	Items []api.AdoptItem `json:"items"`
}

// adoptKind takes workers over. How far that is, each worker's own journal
// tells: repeating the step goes on where it was.
func adoptKind() opKind {
	return opKind{"adopt", []opStep{{name: "take-over", does: "taking workers over", do: adoptTakeOver, undo: adoptGiveBack}}}
}

// AdoptCommand words a command line of adopt for files of a folder; an empty
// one is the home's.
func AdoptCommand(dir hostdir.Dir, command func(args string) string) func(args, folder string) string {
	return func(args, folder string) string {
		if folder != "" && folder != dir.Home() {
			args += " --dir " + ShellQuote(folder)
		}
		return command(args)
	}
}

func (h *host) adopter(tell func(string)) *adoption.Adopter {
	return adoption.New(adoption.Options{
		Manifest: h.manifest, Lock: h.o.Dir.AdoptLock(), DaemonPID: os.Getpid(),
		Reload: func(ctx context.Context) error {
			_, err := h.reload(ctx)
			h.changed()
			return err
		},
		CanRun: func(context.Context) error {
			_, err := h.findWorkerProgram(h.o.WorkerProgram)
			return err
		},
		Command: AdoptCommand(h.o.Dir, h.command), Tell: tell, Grace: h.o.StopGrace,
		Settle: h.o.adoptSettle, Watch: h.o.adoptWatch, Reached: func(point string) { h.reached("adoption/" + point) },
	})
}

// Adoptable implements localapi.Adoption.
func (h *host) Adoptable(ctx context.Context) (api.AdoptResult, error) {
	paths, err := adoption.Files(h.o.Dir.Home())
	if err != nil {
		return api.AdoptResult{}, unprocessable(err.Error(), "")
	}
	a := h.adopter(nil)
	items, err := a.Survey(ctx, paths)
	if err != nil {
		return api.AdoptResult{}, err
	}
	undoable, err := a.Undoable(ctx)
	for i := range items {
		items[i].Adopted = slices.ContainsFunc(undoable, func(u api.AdoptItem) bool { return u.Path == items[i].Path })
	}
	return api.AdoptResult{Items: items}, err
}

// Adopt implements localapi.Adoption. A take-over is an operation; what needs
// none is done at once.
func (h *host) Adopt(ctx context.Context, req api.AdoptRequest, by string) (api.AdoptResult, error) {
	if h.phase.Load() >= phaseStopping {
		return api.AdoptResult{}, h.stopping()
	}
	a := h.adopter(nil)
	paths, err := h.adoptPaths(a, req)
	if err != nil {
		return api.AdoptResult{}, err
	}
	if !req.TakeOver {
		items, err := a.Adopt(context.WithoutCancel(ctx), adoption.Request{Paths: paths, Disabled: req.Disabled})
		return api.AdoptResult{Items: items}, h.adoptProblem(err)
	}
	op, err := h.operations.begin(ctx, "adopt", "", by, adoptInput{Paths: paths, Disabled: req.Disabled}, "")
	if err != nil {
		return api.AdoptResult{}, err
	}
	return h.awaitAdopt(ctx, op)
}

// awaitAdopt waits a while for an operation that changes what is adopted.
func (h *host) awaitAdopt(ctx context.Context, op *operation) (api.AdoptResult, error) {
	patience := time.NewTimer(h.o.StopWait)
	defer patience.Stop()
	select {
	case <-op.ended:
		var st adoptState
		if err := errors.Join(op.outcome(), op.state(&st)); err != nil {
			return api.AdoptResult{}, err
		}
		return api.AdoptResult{Items: st.Items}, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	wire := h.operations.wire(op.record())
	return api.AdoptResult{Items: []api.AdoptItem{}, Operation: &wire}, nil
}

// undoAdoptInput is what "adopt-undo" was asked for.
type undoAdoptInput struct {
	WorkerID string `json:"workerId"`
}

// undoAdoptKind gives a worker back. How far that is, the worker's own journal
// tells, as with adoptKind; there is no way back from it but to adopt anew.
func undoAdoptKind() opKind {
	return opKind{"adopt-undo", []opStep{{name: "give-back", does: "giving the worker back", do: undoAdopt, final: true}}}
}

// UndoAdopt implements localapi.Adoption.
func (h *host) UndoAdopt(ctx context.Context, workerID, by string) (api.AdoptResult, error) {
	if h.phase.Load() >= phaseStopping {
		return api.AdoptResult{}, h.stopping()
	}
	all, err := h.manifest.Adoptions(ctx)
	if err != nil {
		return api.AdoptResult{}, err
	}
	if !slices.ContainsFunc(all, func(rec manifest.Adoption) bool { return rec.EntryID == workerID }) {
		return api.AdoptResult{}, notAdopted(adoption.ErrNotAdopted)
	}
	op, err := h.operations.begin(ctx, "adopt-undo", "", by, undoAdoptInput{WorkerID: workerID}, "")
	if err != nil {
		return api.AdoptResult{}, err
	}
	return h.awaitAdopt(ctx, op)
}

func notAdopted(err error) error {
	return &api.Error{
		Status: http.StatusNotFound, Code: api.CodeNotFound, Message: err.Error(),
		Fix: "GET /api/adoptable tells which workers were adopted",
	}
}

func undoAdopt(ctx context.Context, op *operation) error {
	var in undoAdoptInput
	if err := op.input(&in); err != nil {
		return err
	}
	item, err := op.h.adopter(op.say).Undo(ctx, in.WorkerID)
	switch {
	case errors.Is(err, adoption.ErrNotAdopted):
		return notAdopted(err)
	case errors.Is(err, adoption.ErrBusy):
		return op.h.adoptProblem(err)
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return again(op.h.adoptProblem(err))
	}
	op.h.events.add(api.HostAction+"adopt-undo", in.WorkerID, map[string]any{"by": op.record().AskedBy, "status": item.Status, "reason": item.Reason})
	return op.keep(ctx, adoptState{Items: []api.AdoptItem{item}}, "")
}

// adoptPaths are the files that are meant.
func (h *host) adoptPaths(a *adoption.Adopter, req api.AdoptRequest) ([]string, error) {
	var paths []string
	for _, path := range req.Paths {
		if !filepath.IsAbs(path) {
			return nil, unprocessable(fmt.Sprintf("the path %.200q is not absolute", path), "")
		}
		paths = append(paths, filepath.Clean(path))
	}
	for _, pid := range req.PIDs {
		path, err := a.FileOf(pid)
		if err != nil {
			return nil, unprocessable(err.Error(), "")
		}
		paths = append(paths, path)
	}
	if len(paths) > 0 {
		return paths, nil
	}
	paths, err := adoption.Files(h.o.Dir.Home())
	if err != nil {
		return nil, unprocessable(err.Error(), "")
	}
	return paths, nil
}

func (h *host) adoptProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, adoption.ErrBusy):
		return conflict(adoption.ErrBusy.Error(), "try again when that is over")
	}
	return h.unwritten(err)
}

func adoptTakeOver(ctx context.Context, op *operation) error {
	var in adoptInput
	if err := op.input(&in); err != nil {
		return err
	}
	items, err := op.h.adopter(op.say).Adopt(ctx, adoption.Request{Paths: in.Paths, TakeOver: true, Disabled: in.Disabled})
	switch {
	case errors.Is(err, adoption.ErrBusy):
		op.refused = true // what is under way is somebody else's
		return op.h.adoptProblem(err)
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return again(op.h.adoptProblem(err))
	}
	for _, item := range items {
		op.h.events.add(api.HostAction+"adopt", item.WorkerID, map[string]any{"by": op.record().AskedBy, "status": item.Status, "reason": item.Reason})
	}
	return op.keep(ctx, adoptState{Items: items}, "")
}

// adoptGiveBack takes back what is under way; what is over stays.
func adoptGiveBack(ctx context.Context, op *operation) error {
	var in adoptInput
	if err := op.input(&in); err != nil {
		return err
	}
	if op.refused {
		return nil
	}
	open, err := op.h.manifest.OpenAdoptions(ctx)
	if err != nil {
		return again(err)
	}
	a := op.h.adopter(op.say)
	for _, rec := range open {
		for _, path := range in.Paths {
			if rec.ConfigPath != path {
				continue
			}
			if _, err := a.Undo(ctx, rec.EntryID); err != nil && !errors.Is(err, adoption.ErrNotAdopted) {
				return again(op.h.adoptProblem(err))
			}
		}
	}
	return nil
}

// notTakenOver refuses what would be in the way of a take-over under way, or
// what that would undo. To stop a worker is never refused.
func (h *host) notTakenOver(ctx context.Context, id string, verb localapi.Action) error {
	if verb == localapi.ActionStop {
		return nil
	}
	open, err := h.manifest.OpenAdoptions(ctx)
	if err != nil {
		return err
	}
	for _, rec := range open {
		if rec.EntryID == id {
			return h.unwritten(manifest.ErrTakenOver)
		}
	}
	return nil
}

// adoptionHealth names workers that nobody may be running.
func (h *host) adoptionHealth(ctx context.Context) []api.HealthItem {
	open, err := h.manifest.OpenAdoptions(ctx)
	if err != nil {
		return nil // the rest of the status says so
	}
	var items []api.HealthItem
	for _, rec := range open {
		item := api.HealthItem{
			Code: "adoption_unfinished", Severity: severityWarning,
			Message: rec.EntryID + " is being taken over, or that was cut off; until it is over the daemon does not run it",
			Fix:     "unless somebody is at it, go on", Command: AdoptCommand(h.o.Dir, h.command)("adopt --take-over", filepath.Dir(rec.ConfigPath)),
		}
		if rec.Status == manifest.AdoptionUndoing {
			item.Message = rec.EntryID + " is being given back to what ran it before, or that was cut off"
			item.Command = h.command("adopt --undo " + rec.EntryID)
		}
		items = append(items, item)
	}
	return items
}
