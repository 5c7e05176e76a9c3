package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pipedai/api"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
	"pipedai/internal/workerlog"
	"pipedai/manifest"
)

// fileLogs reads the files of a host whose daemon does not run.
type fileLogs struct{ dir hostdir.Dir }

func (f fileLogs) page(ctx context.Context, id string, q workerlog.Query) (api.LogLines, error) {
	files, err := workerlog.Open(f.dir.Log(id))
	if err != nil {
		return api.LogLines{}, err
	}
	defer files.Close()
	page, err := files.Find(ctx, q)
	out := api.LogLines{Newer: page.Newer, Older: page.Older, More: page.More, Partial: page.Partial}
	for _, l := range page.Lines {
		line := api.LogLine{Stream: l.Stream, Line: l.Text, Pos: l.Pos}
		if !l.TS.IsZero() {
			line.TS = l.TS.UnixMilli()
		}
		out.Items = append(out.Items, line)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out, err
}

// logsOfFiles shows what is held without a daemon; down says that there is
// none.
func logsOfFiles(ctx context.Context, d *deps, o logsOptions, q workerlog.Query, down error) error {
	dir, err := d.dir()
	if err != nil {
		return err
	}
	workers, err := loggedWorkers(ctx, dir)
	if err != nil {
		return d.explainHome(err)
	}
	if len(workers) == 0 {
		return down
	}
	show := &logPrinter{d: d, o: o}
	if len(o.names) == 0 {
		show.targets = workers
	}
	for _, name := range o.names {
		w, err := d.pick(workers, name)
		if err != nil {
			return cliutil.Failf(cliutil.ExitNotRunning, "start it: "+d.command("start"),
				"the daemon is not running, and there is no log of %.60q", name)
		}
		show.add(w)
	}
	return show.history(ctx, fileLogs{dir}, q, nil)
}

// loggedWorkers lists the workers of which there is a log, with their labels
// when the manifest can be read.
func loggedWorkers(ctx context.Context, dir hostdir.Dir) ([]api.FusedWorker, error) {
	files, err := os.ReadDir(dir.Logs())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var workers []api.FusedWorker
	for _, f := range files {
		if id, ok := strings.CutSuffix(f.Name(), ".log"); ok && hostdir.ValidID(id) == nil {
			workers = append(workers, api.FusedWorker{ID: id, Label: id})
		}
	}
	if _, err := os.Stat(filepath.Clean(dir.Manifest())); err != nil || len(workers) == 0 {
		return workers, nil
	}
	hosts, err := manifest.Open(ctx, dir.Manifest())
	if err != nil {
		return workers, nil //nolint:nilerr // the ids do
	}
	defer func() { _ = hosts.Close() }()
	entries, err := hosts.Entries(ctx)
	if err != nil {
		return workers, nil //nolint:nilerr // as above
	}
	for _, e := range entries {
		if i := slices.IndexFunc(workers, func(w api.FusedWorker) bool { return w.ID == e.ID }); i >= 0 {
			workers[i].Label = e.Label
		}
	}
	return workers, nil
}
