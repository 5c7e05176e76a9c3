package workerlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pipedai/internal/lines"
)

var began = time.Date(2025, 2, 3, 4, 5, 6, 7e6, time.UTC)

// held writes a log of that many files, the last being the current one, with
// lines of various lengths, some of them longer than what is read at a time.
func held(t *testing.T, files, each int) (path string, all []Line) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "w1.log")
	random := rand.New(rand.NewPCG(1, uint64(files*each)))
	pos := int64(0)
	for i := range files {
		var data []byte
		for n := range each {
			size := random.IntN(50)
			if n == each/2 {
				size = lines.Block + 10
			}
			l := Line{TS: began.Add(time.Duration(len(all)) * time.Second), Stream: []string{"out", "err"}[n%2],
				Text: fmt.Sprintf("%d %s", len(all), strings.Repeat("x", size)), Pos: pos + int64(len(data))}
			data = Append(data, l.TS, l.Stream, l.Text)
			all = append(all, l)
		}
		pos += int64(len(data))
		name := path
		if i < files-1 {
			name = Backup(path, files-1-i)
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path, all
}

func opened(t *testing.T, path string) *Files {
	t.Helper()
	fs, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fs.Close)
	return fs
}

func find(t *testing.T, fs *Files, q Query) Page {
	t.Helper()
	page, err := fs.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func same(t *testing.T, what string, got, want []Line) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d lines, want %d", what, len(got), len(want))
	}
}

// Every way through a log, in pages of any size, gives each line once.
func TestFiles_pagesBothWays(t *testing.T) {
	t.Parallel()
	path, all := held(t, 3, 40)
	fs := opened(t, path)
	for _, limit := range []int{1, 7, 40, 1000} {
		var forward, backward []Line
		after, before := int64(-1), fs.End()
		for more := true; more; {
			page := find(t, fs, Query{After: &after, Limit: limit})
			forward, after, more = append(forward, page.Lines...), page.Newer, page.More
			if page.Gap || len(page.Lines) > limit {
				t.Fatalf("limit %d: %d lines, gap %v", limit, len(page.Lines), page.Gap)
			}
		}
		for more := true; more; {
			page := find(t, fs, Query{Before: &before, Limit: limit})
			backward, before, more = append(page.Lines, backward...), page.Older, page.More
		}
		same(t, fmt.Sprint("forward by ", limit), forward, all)
		same(t, fmt.Sprint("backward by ", limit), backward, all)
	}
	// From within a line: forward the next one, backward that one.
	inside := all[50].Pos + 3
	same(t, "after the middle", find(t, fs, Query{After: &inside, Limit: 2}).Lines, all[51:53])
	same(t, "before the middle", find(t, fs, Query{Before: &inside, Limit: 2}).Lines, all[49:51])
}

func TestFiles_filters(t *testing.T) {
	t.Parallel()
	path, all := held(t, 3, 40)
	fs := opened(t, path)
	fits := func(keep func(Line) bool) (lines []Line) {
		for _, l := range all {
			if keep(l) {
				lines = append(lines, l)
			}
		}
		return lines
	}
	for name, tt := range map[string]struct {
		q    Query
		keep func(Line) bool
	}{
		"stream": {Query{Stream: "err"}, func(l Line) bool { return l.Stream == "err" }},
		"text":   {Query{Text: "11"}, func(l Line) bool { return strings.Contains(l.Text, "11") }},
		"time": {Query{Since: all[30].TS, Until: all[60].TS}, func(l Line) bool {
			return !l.TS.Before(all[30].TS) && l.TS.Before(all[60].TS)
		}},
		"nothing": {Query{Text: "none has this"}, func(Line) bool { return false }},
	} {
		want := fits(tt.keep)
		q := tt.q
		q.Limit, q.Count = 1000, true
		page := find(t, fs, q)
		same(t, name, page.Lines, want)
		if page.Count != len(want) || page.CountPartial {
			t.Errorf("%s: counted %d of %d", name, page.Count, len(want))
		}
		first := int64(-1)
		q.After = &first
		same(t, name+" forward", find(t, fs, q).Lines, want)
		for _, l := range all {
			if q.Fits(l) != tt.keep(l) {
				t.Errorf("%s: %s fits: %v", name, l.Text[:3], q.Fits(l))
			}
		}
		var out bytes.Buffer
		if err := fs.WriteTo(t.Context(), &out, tt.q); err != nil {
			t.Error(err)
		}
		if n := bytes.Count(out.Bytes(), []byte{'\n'}); n != len(want) {
			t.Errorf("%s: %d lines written, want %d", name, n, len(want))
		}
	}
}

// Positions go on when the oldest files are taken away, when the log is rotated
// before that is noted, and when all files are gone; none is given twice.
func TestFiles_positionsGoOn(t *testing.T) {
	t.Parallel()
	path, all := held(t, 3, 10)
	fs := opened(t, path)
	base, number := fs.Base()
	if base != all[20].Pos || number == 0 || Note(path, number, base) != nil {
		t.Fatalf("the newest file begins at %d, number %d", base, number)
	}
	if err := os.Remove(Backup(path, 2)); err != nil {
		t.Fatal(err)
	}
	fs = opened(t, path)
	first := int64(-1)
	page := find(t, fs, Query{After: &first})
	same(t, "without the oldest file", page.Lines, all[10:])
	if !page.Gap || page.Oldest != all[10].Pos {
		t.Errorf("gap %v, oldest %d", page.Gap, page.Oldest)
	}
	// Rotated, and killed before the note.
	end := fs.End()
	err := errors.Join(os.Rename(Backup(path, 1), Backup(path, 2)), os.Rename(path, Backup(path, 1)),
		os.WriteFile(path, Append(nil, began, "out", "new"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	fs = opened(t, path)
	if page := find(t, fs, Query{Limit: 1}); page.Lines[0].Text != "new" || page.Lines[0].Pos != end {
		t.Errorf("after the rotation: %+v, want position %d", page.Lines, end)
	}
	for _, name := range []string{path, Backup(path, 1), Backup(path, 2)} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if lost := opened(t, path); lost.Oldest() < end || lost.Size() != 0 {
		t.Errorf("without files the next line is at %d, and %d were given", lost.Oldest(), end)
	}
	if err := Remove(path); err != nil {
		t.Error(err)
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
}

// What is not in the format is shown as it is, half a line not yet, and a log
// that is no file is an error.
func TestFiles_oddContents(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w1.log")
	odd := "plain\n\n\xff\xfe\n2025-02-03T04:05:06.007Z log neither stream\n" + string(Append(nil, began, "err", "fine")) + "half a li"
	if err := os.WriteFile(path, []byte(odd), 0o600); err != nil {
		t.Fatal(err)
	}
	fs := opened(t, path)
	var texts []string
	for _, l := range find(t, fs, Query{}).Lines {
		texts = append(texts, l.Text)
	}
	if want := []string{"plain", "", "\uFFFD", "2025-02-03T04:05:06.007Z log neither stream", "fine"}; !slices.Equal(texts, want) {
		t.Errorf("%q, want %q", texts, want)
	}
	if lines := find(t, fs, Query{Since: began.Add(-time.Hour)}).Lines; len(lines) != 1 || lines[0].Text != "fine" {
		t.Errorf("of a time: %+v", lines)
	}
	if got := string(Append(nil, began, "out", "two\nlines")); strings.Count(got, "\n") != 1 {
		t.Errorf("written as %q", got)
	}
	if err := os.Mkdir(path+".d.log", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path + ".d.log"); err == nil {
		t.Error("a folder was opened")
	}
	if page := find(t, opened(t, filepath.Join(t.TempDir(), "none.log")), Query{}); len(page.Lines) != 0 || page.More || page.Partial {
		t.Errorf("without a file: %+v", page)
	}
}

// A search whose time is over says how far it got.
func TestFiles_timeIsOver(t *testing.T) {
	t.Parallel()
	path, _ := held(t, 2, 10)
	fs := opened(t, path)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	first := int64(-1)
	for _, q := range []Query{{}, {After: &first}} {
		page, err := fs.Find(over, q)
		if err != nil || !page.Partial || !page.More {
			t.Errorf("%+v, %v", page, err)
		}
	}
	if _, err := fs.Each(over, -1, Query{}, func(Line) bool { return true }); !errors.Is(err, lines.ErrTime) {
		t.Errorf("each: %v", err)
	}
}
