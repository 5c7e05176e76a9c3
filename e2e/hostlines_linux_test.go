package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lineBook holds what the logs of a host have against what its workers say
// they wrote. It reads on where it stopped, through rotations, so that a look
// costs what is new.
type lineBook struct {
	logs, truth string
	workers     map[string]*workerBook
	downs       []window // no daemon was there
	drops       []window // the logs could not be written
}

// window is a time in which less is promised. A zero end is now.
type window struct{ from, to time.Time }

func (w window) meets(from, to time.Time) bool {
	return w.from.Before(to) && (w.to.IsZero() || w.to.After(from))
}

// workerBook is about the log of one worker.
type workerBook struct {
	inode   uint64
	offset  int64
	writers map[string]*writerBook
	markers int   // how many there are
	marked  int64 // lines they say are missing
	missing int64 // lines that are
	lenient int64 // deaths in a drop window: whose last line may be marked and not counted
	wrong   []string

	lines, ends, alone int64 // what was proved: lines, whole lives, lives that ended unseen
}

// writerBook is about the lines of one process.
type writerBook struct {
	last    int64 // number of its last line in the log
	markers int   // there were when it was read
	over    bool  // dead and settled
}

// loss is what the log lacks of a process that ended while it could not be
// written.
type loss struct {
	of    *workerBook
	from  *writerBook
	lines int64
}

func newLineBook(logs, truth string) *lineBook {
	return &lineBook{logs: logs, truth: truth, workers: map[string]*workerBook{}}
}

func (b *lineBook) of(worker string) *workerBook {
	if b.workers[worker] == nil {
		b.workers[worker] = &workerBook{writers: map[string]*writerBook{}}
	}
	return b.workers[worker]
}

// written is what a process says of itself.
type written struct {
	worker, name string
	pid          int
	began, last  time.Time
	lines        int64
	alive        bool
	child        bool // of the process that the daemon knows
}

// writers reads the truth. alive tells which processes are there.
func (b *lineBook) writers(t testing.TB, alive map[int]bool) []written {
	t.Helper()
	entries, err := os.ReadDir(b.truth)
	if err != nil {
		t.Fatal(err)
	}
	var all []written
	for _, e := range entries {
		part := strings.Split(e.Name(), ".")
		data, err := os.ReadFile(filepath.Join(b.truth, e.Name()))
		if err != nil || len(data) != 16 || len(part) != 3 {
			continue // it is just being made, and wrote nothing yet
		}
		pid, _ := strconv.Atoi(part[1])
		began, _ := strconv.ParseInt(part[2], 10, 64)
		worker, child := strings.CutSuffix(part[0], "+child")
		all = append(all, written{
			worker: worker, child: child, name: e.Name(), pid: pid, began: time.Unix(0, began),
			lines: int64(binary.NativeEndian.Uint64(data)), last: time.Unix(0, int64(binary.NativeEndian.Uint64(data[8:]))), alive: alive[pid],
		})
	}
	slices.SortFunc(all, func(a, c written) int { return a.began.Compare(c.began) })
	return all
}

// read takes in what is new in the log of a worker.
func (b *lineBook) read(worker string) error {
	w := b.of(worker)
	path := filepath.Join(b.logs, worker+".log")
	var files []*os.File // the newest first
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	found := w.inode == 0
	for i := 0; i == 0 || !found; i++ {
		name := path
		if i > 0 {
			name += "." + strconv.Itoa(i)
		}
		f, err := os.Open(name)
		if os.IsNotExist(err) {
			if w.inode != 0 && !found {
				return fmt.Errorf("%s: the file that was read up to %d is gone, or moved just now", worker, w.offset)
			}
			break
		}
		if err != nil {
			return err
		}
		files = append(files, f)
		found = found && i > 0 || inode(f) == w.inode
		if w.inode == 0 {
			found = false // everything there is
		}
	}
	slices.Reverse(files)
	for i, f := range files {
		offset := int64(0)
		if i == 0 && w.inode != 0 {
			offset = w.offset
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if info.Size() < offset {
			return fmt.Errorf("%s: the log was cut from %d to %d", worker, offset, info.Size())
		}
		data := make([]byte, info.Size()-offset)
		if _, err := f.ReadAt(data, offset); err != nil {
			return err
		}
		data = data[:bytes.LastIndexByte(data, '\n')+1]
		w.inode, w.offset = inode(f), offset+int64(len(data))
		for line := range bytes.Lines(data) {
			w.take(string(line[:len(line)-1]))
		}
	}
	return nil
}

func inode(f *os.File) uint64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// take holds one line of the log against those before it.
func (w *workerBook) take(line string) {
	const head = len("2026-01-02T15:04:05.000Z out ")
	if len(line) < head {
		w.complain("a line that is no line: %q", line)
		return
	}
	text := line[head:]
	var n int64
	if _, err := fmt.Sscanf(text, "[pipedai] %d lines dropped here", &n); err == nil {
		w.markers++
		w.marked += n
		return
	}
	name, number, ok := strings.Cut(strings.TrimPrefix(text, "#"), " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || text[0] != '#' {
		w.complain("a line that no worker wrote: %q", line)
		return
	}
	from := w.writers[name]
	if from == nil {
		from = &writerBook{}
		w.writers[name] = from
	}
	w.lines++
	switch {
	case n <= from.last:
		w.complain("%s: line %d is there again, after %d", name, n, from.last)
	case n > from.last+1 && w.markers > from.markers:
		w.missing += n - from.last - 1
	case n > from.last+1:
		w.complain("%s: line %d follows line %d, and nothing says that some are missing", name, n, from.last)
	}
	from.last, from.markers = max(n, from.last), w.markers
}

func (w *workerBook) complain(format string, args ...any) {
	if len(w.wrong) < 10 {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	}
}

// wrong lists what no waiting can mend.
func (b *lineBook) wrong() []string {
	var all []string
	for worker, w := range b.workers {
		for _, text := range w.wrong {
			all = append(all, worker+": "+text)
		}
	}
	return all
}

// settle compares and returns what is still missing; it is asked again until
// that is nothing. all was read before the logs are.
func (b *lineBook) settle(all []written) error {
	now := time.Now()
	var lost []loss
	next := map[string]time.Time{} // when the process after began
	for i := len(all) - 1; i >= 0; i-- {
		me := all[i]
		w := b.of(me.worker)
		until, ok := next[me.worker]
		if !ok {
			until = now
		}
		if !me.child {
			next[me.worker] = me.began
		}
		from := w.writers[me.name]
		if from == nil {
			from = &writerBook{}
			w.writers[me.name] = from
		}
		if from.over {
			continue
		}
		switch {
		case from.last >= me.lines && me.alive:
			continue
		case from.last >= me.lines: // one more when it was killed between the line and the note
			if from.last > me.lines+1 {
				return fmt.Errorf("%s wrote %d lines, the log has %d", me.name, me.lines, from.last)
			}
			w.ends++
			from.over = true
			if in(b.drops, lateToAFullDisk, me.last, me.last) {
				w.lenient++
			}
			continue
		case me.alive:
			return fmt.Errorf("%s wrote %d lines, the log has %d", me.name, me.lines, from.last)
		case in(b.drops, lateToAFullDisk, me.last, me.last):
			// They may still be on their way: it is said when the markers agree.
			lost = append(lost, loss{w, from, me.lines - from.last})
		case in(b.downs, lateToAnEnd, me.last, until):
			w.alone++
			from.over = true
		default:
			return fmt.Errorf("%s wrote %d lines, the last at %s, the log has %d of them, and a daemon was there to take them",
				me.name, me.lines, me.last.Format("15:04:05.000"), from.last)
		}
	}
	for worker, w := range b.workers {
		missing, lenient := w.missing, w.lenient
		for _, l := range lost {
			if l.of == w {
				missing, lenient = missing+l.lines, lenient+1
			}
		}
		if w.marked < missing || w.marked > missing+lenient {
			return fmt.Errorf("%s: %d lines are missing, markers speak of %d", worker, missing, w.marked)
		}
	}
	for _, l := range lost {
		l.of.missing += l.lines
		l.of.lenient++
		l.from.over = true
	}
	return nil
}

// in says whether a time meets a window. The daemon may be late to take what was
// written: lines in a FIFO when a window begins are in the window.
func in(windows []window, late time.Duration, from, to time.Time) bool {
	return slices.ContainsFunc(windows, func(w window) bool { return w.meets(from.Add(-50*time.Millisecond), to.Add(late)) })
}

const (
	lateToAnEnd = time.Millisecond
	// Lines that could not be written are all counted by markers, so that this
	// may be as long as a busy machine takes.
	lateToAFullDisk = 2 * time.Second
)

// A line of a process that ended while the logs could not be written may be
// on its way to the log, and is not missing then.
func TestLineBook_linesOnTheirWay(t *testing.T) {
	t.Parallel()
	logs, truth := t.TempDir(), t.TempDir()
	b := newLineBook(logs, truth)
	now := time.Now()
	name := fmt.Sprintf("broken.4711.%d", now.UnixNano())
	note := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 1), uint64(now.UnixNano()))
	if err := os.WriteFile(filepath.Join(truth, name), note, 0o600); err != nil {
		t.Fatal(err)
	}
	b.drops = []window{{from: now.Add(-time.Second), to: now}}
	look := func() error {
		all := b.writers(t, nil)
		if err := b.read("broken"); err != nil {
			return err
		}
		return b.settle(all)
	}
	write := func(text string) {
		line := now.UTC().Format("2006-01-02T15:04:05.000Z") + " " + text + "\n"
		if err := os.WriteFile(filepath.Join(logs, "broken.log"), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := look(); err == nil {
		t.Error("a line that is nowhere is not missed")
	}
	write("out #" + name + " 1")
	if err := look(); err != nil {
		t.Errorf("it was on its way: %v", err)
	}

	b = newLineBook(logs, truth)
	b.drops = []window{{from: now.Add(-time.Second), to: now}}
	write("err [pipedai] 1 lines dropped here: no space left on device")
	if err := look(); err != nil {
		t.Errorf("it was dropped, and a marker says so: %v", err)
	}
}
