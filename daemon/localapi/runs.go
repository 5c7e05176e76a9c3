package localapi

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/httpkit"
)

const (
	maxRuns         = 50
	defaultRunTail  = 500
	maxRunTail      = 5000
	maxRunLine      = 1 << 20 // a longer line is skipped
	maxIndexedFiles = 32
	runSuffix       = ".ndjson"
)

// workerRuns lists the run event files of a worker, newest first.
func (s *Server) workerRuns(ctx context.Context, _ httpkit.None) (api.LocalRuns, error) {
	id, err := s.knownWorker(ctx)
	if err != nil {
		return api.LocalRuns{}, err
	}
	items, err := s.runs.list(id)
	return api.LocalRuns{Items: items}, err
}

// runEvents returns events after a sequence number, or the newest ones.
func (s *Server) runEvents(ctx context.Context, _ httpkit.None) (api.LocalRunEvents, error) {
	id, err := s.knownWorker(ctx)
	if err != nil {
		return api.LocalRunEvents{}, err
	}
	run := httpkit.PathValue(ctx, "run")
	if hostdir.ValidID(run) != nil {
		return api.LocalRunEvents{}, notFound()
	}
	r := httpkit.Request(ctx)
	if query := r.URL.Query(); query.Has("after") {
		after, err := strconv.ParseInt(query.Get("after"), 10, 64)
		if err != nil {
			return api.LocalRunEvents{}, &api.Error{Status: 400, Code: api.CodeInvalid, Message: "after must be the seq of an event"}
		}
		items, err := s.runs.after(id, run, after)
		return api.LocalRunEvents{Items: items}, err
	}
	n, err := httpkit.Int(r, "tail", defaultRunTail, 1, maxRunTail)
	if err != nil {
		return api.LocalRunEvents{}, err
	}
	items, err := s.runs.tail(id, run, n)
	return api.LocalRunEvents{Items: items}, err
}

// runFiles reads the event files that workers write, and remembers where the
// lines begin: a page asks every second or two, and only what was appended is
// read then. Files are opened below the folder and nowhere else.
type runFiles struct {
	dir string

	mu    sync.Mutex
	files map[string]*runIndex // by worker/run
	order []string             // least recently used first
}

// runIndex is what is known of one file.
type runIndex struct {
	read  int64 // bytes looked at: whole lines only
	lines []lineAt
}

// lineAt is an event's number and where its line lies.
type lineAt struct {
	seq, at int64
	length  int
}

func newRunFiles(dir string) *runFiles {
	return &runFiles{dir: dir, files: map[string]*runIndex{}}
}

// list returns the newest files of a worker; none when it never wrote any.
func (f *runFiles) list(worker string) ([]api.LocalRun, error) {
	items := []api.LocalRun{}
	root, err := os.OpenRoot(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return items, nil
	}
	if err != nil {
		return items, fmt.Errorf("open run files: %w", err)
	}
	defer func() { _ = root.Close() }()
	entries, err := fs.ReadDir(root.FS(), worker)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return items, fmt.Errorf("list run files: %w", err)
	}
	for _, e := range entries {
		id, found := strings.CutSuffix(e.Name(), runSuffix)
		info, err := e.Info()
		if !found || hostdir.ValidID(id) != nil || err != nil || !info.Mode().IsRegular() {
			continue
		}
		items = append(items, api.LocalRun{RunID: id, UpdatedAt: info.ModTime().UnixMilli(), Bytes: info.Size()})
	}
	slices.SortFunc(items, func(a, b api.LocalRun) int {
		return cmp.Or(cmp.Compare(b.UpdatedAt, a.UpdatedAt), strings.Compare(a.RunID, b.RunID))
	})
	return items[:min(len(items), maxRuns)], nil
}

// after returns the events with a greater number, oldest first, at most
// maxRunTail of them; the caller asks again from the last one.
func (f *runFiles) after(worker, run string, seq int64) ([]api.LocalRunEvent, error) {
	return f.pick(worker, run, func(lines []lineAt) []lineAt {
		from := slices.IndexFunc(lines, func(l lineAt) bool { return l.seq > seq })
		if from < 0 {
			return nil
		}
		rest := lines[from:]
		return rest[:min(len(rest), maxRunTail)]
	})
}

// tail returns the newest n events, oldest first.
func (f *runFiles) tail(worker, run string, n int) ([]api.LocalRunEvent, error) {
	return f.pick(worker, run, func(lines []lineAt) []lineAt {
		return lines[max(0, len(lines)-n):]
	})
}

// pick brings the index up to date and reads the lines that choose selects.
func (f *runFiles) pick(worker, run string, choose func([]lineAt) []lineAt) ([]api.LocalRunEvent, error) {
	items := []api.LocalRunEvent{}
	root, err := os.OpenRoot(f.dir)
	if err == nil {
		defer func() { _ = root.Close() }()
		var file *os.File
		if file, err = root.Open(filepath.Join(worker, run+runSuffix)); err == nil {
			defer func() { _ = file.Close() }()
			return f.read(file, worker+"/"+run, choose)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return items, nil // not written yet, or this worker keeps none
	}
	return items, fmt.Errorf("open run events: %w", err)
}

func (f *runFiles) read(file *os.File, key string, choose func([]lineAt) []lineAt) ([]api.LocalRunEvent, error) {
	items := []api.LocalRunEvent{}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return items, err
	}
	f.mu.Lock()
	index := f.index(key)
	err = index.update(file, info.Size())
	chosen := slices.Clone(choose(index.lines))
	f.mu.Unlock()
	if err != nil {
		return items, fmt.Errorf("read run events: %w", err)
	}
	for _, l := range chosen {
		line := make([]byte, l.length)
		if _, err := file.ReadAt(line, l.at); err != nil {
			return items, nil // cut meanwhile; the next call starts over
		}
		if event, ok := parseRunEvent(line); ok {
			items = append(items, event)
		}
	}
	return items, nil
}

// index returns the index of a file, making room for it. Callers hold mu.
func (f *runFiles) index(key string) *runIndex {
	f.order = slices.DeleteFunc(f.order, func(k string) bool { return k == key })
	f.order = append(f.order, key)
	if len(f.order) > maxIndexedFiles {
		delete(f.files, f.order[0])
		f.order = f.order[1:]
	}
	if f.files[key] == nil {
		f.files[key] = &runIndex{}
	}
	return f.files[key]
}

// update looks at the lines that were appended since. A file that shrank is
// another file. A last line without its end is left for the next time: the
// writer is in the middle of it.
func (x *runIndex) update(file io.ReaderAt, size int64) error {
	if size < x.read {
		*x = runIndex{}
	}
	reader := bufio.NewReaderSize(io.NewSectionReader(file, x.read, size-x.read), 64<<10)
	for {
		line, length, err := readLine(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if event, ok := parseRunEvent(line); ok {
			x.lines = append(x.lines, lineAt{seq: event.Seq, at: x.read, length: len(line)})
		}
		x.read += length
	}
}

// readLine returns the next whole line, and how many bytes it took with its
// end. One that is too long comes back empty; io.EOF means that what is left
// has no end yet.
func readLine(r *bufio.Reader) (line []byte, length int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		length += int64(len(part))
		if len(line)+len(part) <= maxRunLine {
			line = append(line, part...)
		} else {
			line = line[:0]
		}
		switch {
		case err == nil:
			return line, length, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		default:
			return nil, 0, err
		}
	}
}

// parseRunEvent reads one line; false for what is no event.
func parseRunEvent(line []byte) (api.LocalRunEvent, bool) {
	var raw struct {
		Seq     *int64          `json:"seq"`
		Type    string          `json:"type"`
		TS      string          `json:"ts"`
		Payload json.RawMessage `json:"payload"`
	}
	if json.Unmarshal(line, &raw) != nil || raw.Seq == nil {
		return api.LocalRunEvent{}, false
	}
	if raw.Payload == nil {
		raw.Payload = json.RawMessage("null")
	}
	return api.LocalRunEvent{Seq: *raw.Seq, Type: raw.Type, TS: raw.TS, Payload: raw.Payload}, true
}
