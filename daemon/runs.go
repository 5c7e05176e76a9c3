package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pipedai/internal/hostdir"
)

// RunLimits bounds the files of run events that workers leave on this host.
type RunLimits struct {
	Age   time.Duration // since the last event; 0 means 14 days
	Bytes int64         // of all files together; 0 means 1 GiB
}

const (
	defaultRunAge   = 14 * 24 * time.Hour
	defaultRunBytes = 1 << 30
	// runsEvery is how long the folder is left alone after it was tidied.
	runsEvery = time.Hour
	// runRest is how long a file must not have grown before it may go, whatever
	// else is known: someone may be looking at it.
	runRest   = time.Hour
	runSuffix = ".ndjson"
)

// runKeeper removes old files of run events. It has no clock of its own: what
// wakes the daemon anyway tells it that time has passed.
type runKeeper struct {
	h     *host
	due   chan struct{} // capacity 1
	next  atomic.Int64  // unix nanoseconds before which nothing is due
	every time.Duration
	now   func() time.Time
}

func newRunKeeper(h *host) *runKeeper {
	return &runKeeper{h: h, due: make(chan struct{}, 1), every: runsEvery, now: time.Now}
}

// nudge is called whenever something happens; mostly it is a comparison.
func (k *runKeeper) nudge() {
	now, next := k.now(), k.next.Load()
	if now.UnixNano() < next || !k.next.CompareAndSwap(next, now.Add(k.every).UnixNano()) {
		return
	}
	select {
	case k.due <- struct{}{}:
	default:
	}
}

func (k *runKeeper) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.due:
		}
		limits := k.h.o.Runs
		removed, freed, err := tidyRuns(ctx, k.h.o.Dir.Runs(), limits, k.now(), k.h.runningSince())
		if err != nil && ctx.Err() == nil {
			k.h.o.Log.Warn("tidy the events of runs", "error", err)
		}
		if removed > 0 {
			k.h.o.Log.Info("removed old events of runs", "files", removed, "bytes", freed)
		}
	}
}

// runningSince tells when the process of each worker that has one began.
func (h *host) runningSince() map[string]time.Time {
	out := map[string]time.Time{}
	for _, s := range h.supervisor.Statuses() {
		if s.PID != 0 {
			out[s.ID] = s.StartedAt
		}
	}
	return out
}

// runFile is one file of run events.
type runFile struct {
	worker, name string
	changed      time.Time
	bytes        int64
}

// tidyRuns removes what is too old, then the oldest until the rest fits. A file
// that a process may still write stays whatever its age: one that changed since
// the process of its worker began and does not end with a result.
func tidyRuns(ctx context.Context, dir string, limits RunLimits, now time.Time, running map[string]time.Time) (removed int, freed int64, err error) {
	age, budget := cmp.Or(limits.Age, defaultRunAge), cmp.Or(limits.Bytes, defaultRunBytes)
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = root.Close() }()
	files, err := listRunFiles(ctx, root)
	if err != nil {
		return 0, 0, err
	}
	var total int64
	for _, f := range files {
		total += f.bytes
	}
	slices.SortFunc(files, func(a, b runFile) int {
		return cmp.Or(a.changed.Compare(b.changed), strings.Compare(a.worker, b.worker), strings.Compare(a.name, b.name))
	})
	folders := map[string]bool{}
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		if idle := now.Sub(f.changed); idle < runRest || idle <= age && total <= budget {
			break // so are all that follow
		}
		began, runs := running[f.worker]
		if runs && !f.changed.Before(began) && !runEnded(root, f) {
			continue
		}
		if root.Remove(path.Join(f.worker, f.name)) == nil { // another time, then
			removed, freed, total = removed+1, freed+f.bytes, total-f.bytes
			folders[f.worker] = true
		}
	}
	for folder := range folders {
		if _, runs := running[folder]; !runs {
			_ = root.Remove(folder) // only when it is empty
		}
	}
	return removed, freed, nil
}

// listRunFiles finds the files that are ours; others are left alone.
func listRunFiles(ctx context.Context, root *os.Root) ([]runFile, error) {
	workers, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var files []runFile
	for _, w := range workers {
		if ctx.Err() != nil || !w.IsDir() || hostdir.ValidID(w.Name()) != nil {
			continue
		}
		entries, err := fs.ReadDir(root.FS(), w.Name())
		if err != nil {
			continue // gone meanwhile, or not for us to read
		}
		for _, e := range entries {
			id, ours := strings.CutSuffix(e.Name(), runSuffix)
			info, err := e.Info()
			if !ours || hostdir.ValidID(id) != nil || err != nil || !info.Mode().IsRegular() {
				continue
			}
			files = append(files, runFile{worker: w.Name(), name: e.Name(), changed: info.ModTime(), bytes: info.Size()})
		}
	}
	return files, ctx.Err()
}

// runEnded reports whether the last event of a file is the result of the run.
// One that is too long to tell has not ended.
func runEnded(root *os.Root, f runFile) bool {
	file, err := root.Open(path.Join(f.worker, f.name))
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	const most = 64 << 10
	from := max(0, f.bytes-most)
	data := make([]byte, f.bytes-from)
	if n, err := file.ReadAt(data, from); n < len(data) && err != nil {
		return false
	}
	data = bytes.TrimRight(data, "\n")
	var event struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(data[bytes.LastIndexByte(data, '\n')+1:], &event) == nil && event.Type == "result"
}
