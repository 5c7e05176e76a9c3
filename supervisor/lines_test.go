package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"pipedai/internal/redact"
	"pipedai/internal/workerlog"
)

var quiet = slog.New(slog.DiscardHandler)

// Whatever a worker writes comes out complete, in valid lines of bounded
// length, however it is cut into reads.
func FuzzFormat(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n\xff\x00tail"), 3)
	f.Add([]byte(strings.Repeat("x", maxLine)+"\r\n"), 1)
	f.Add([]byte(strings.Repeat("x", maxLine+1)+"\n"), 4096)
	f.Add([]byte(strings.Repeat("é", maxLine)), 8191)
	f.Add(bytes.Repeat([]byte{0x80}, 3*maxLine), 5000)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		step = max(len(data)/200, 1, min(step, len(data))) // a byte at a time takes too long
		form := &formatter{stream: "out", secrets: func() *redact.Set { return nil }}
		var got []byte
		take := func(window []byte, final bool) int {
			out, n, lines := form.format(nil, window, time.Now(), final)
			read := workerlog.Split(out, 0)
			if len(read) != lines {
				t.Fatalf("%d lines, told are %d", len(read), lines)
			}
			for _, l := range read {
				text, cut := strings.CutSuffix(l.Text, cutMark)
				if !utf8.ValidString(l.Text) || len(utf16.Encode([]rune(l.Text))) > maxLine {
					t.Fatalf("bad line of %d bytes", len(l.Text))
				}
				got = append(got, text...)
				if !cut {
					got = append(got, '\n')
				}
			}
			return n
		}
		from := 0
		for to := 0; to < len(data); {
			to = min(to+step, len(data))
			from += take(data[from:to], false)
			if to-from > maxLine+2 {
				t.Fatalf("%d bytes wait for a line end", to-from)
			}
		}
		for n := take(data[from:], true); n > 0; n = take(data[from:], true) {
			from += n
		}
		if bytes.Contains(data, []byte("\r")) || bytes.Contains(data, []byte(cutMark)) || !utf8.Valid(data) {
			return // comes out as another text
		}
		want := data
		if len(want) > 0 && want[len(want)-1] != '\n' {
			want = append(bytes.Clone(want), '\n')
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came out as %d", len(want), len(got))
		}
	})
}

func nothing(int64, uint64) {}

func formatted(lines ...Line) (data []byte) {
	for _, l := range lines {
		data = workerlog.Append(data, l.TS, l.Stream, l.Text)
	}
	return data
}

// put appends numbered lines.
func put(l *logFile, from, to int) int64 {
	var lines []Line
	for i := from; i < to; i++ {
		lines = append(lines, Line{TS: time.Now(), Stream: "out", Text: fmt.Sprint("line ", i)})
	}
	return l.commit(formatted(lines...), to-from, nothing, func() {})
}

func texts(t *testing.T, path string, n int) (out []string) {
	t.Helper()
	for _, l := range linesOf(t, path, n) {
		out = append(out, l.Text)
	}
	return out
}

func linesOf(t testing.TB, path string, n int) []Line {
	t.Helper()
	files, err := workerlog.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	var lines []Line // a page is bounded in bytes
	_, err = files.Each(context.Background(), -1, workerlog.Query{}, func(l Line) bool {
		lines = append(lines, l)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines[max(0, len(lines)-n):]
}

func TestLogFile_RotatesByRealSize(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "logs", "w1.log")
	for i := range 200 { // opened anew each time, as by a daemon that restarts
		l := newLogFile(path, 1000, 3, slog.New(slog.DiscardHandler))
		put(l, i, i+1)
		l.close()
	}
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) != 4 {
		t.Fatalf("files %v, %v; want the log and 3 backups", names, err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Size() > 1000 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	got := texts(t, path, 60)
	if len(got) != 60 || got[0] != "line 140" || got[59] != "line 199" {
		t.Errorf("tail across backups: %d lines, %q", len(got), got)
	}
	if got := texts(t, path, 1_000_000); got[len(got)-1] != "line 199" || len(got) < 60 {
		t.Errorf("all that is there: %d lines", len(got))
	}
	if got := texts(t, path+".nothing", 5); got != nil {
		t.Errorf("tail of nothing: %q", got)
	}
}

func TestTail_LargeFileAndUnfinishedLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w1.log")
	l := newLogFile(path, 1<<30, 3, slog.New(slog.DiscardHandler))
	put(l, 0, 20_000)
	l.close()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("2030-02-03T04:05:06.007Z out half a li"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	got := texts(t, path, 5000)
	if len(got) != 5000 || got[0] != "line 15000" || got[4999] != "line 19999" {
		t.Errorf("%d lines from %q", len(got), got[0])
	}
	if got := texts(t, path, 1<<20); len(got) != 20_000 || got[0] != "line 0" {
		t.Errorf("whole file: %d lines", len(got))
	}
}

// All logs together keep to the budget: the oldest rotated files of all
// workers go first, what is written now stays, and so do files of others.
func TestSupervisor_LogBudget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := New(Options{LogDir: dir, LogBudget: 3500, Log: quiet})
	s.runners["a"], s.runners["b"] = newRunner(s, "a"), newRunner(s, "b")
	now := time.Now()
	for i, name := range []string{"b.log.2", "a.log.2", "b.log.1", "a.log.1", "gone.log", "a.log", "b.log", "README"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
		at := now.Add(time.Duration(i-100) * time.Minute)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	s.trim(now)
	if got := strings.Join(left(), " "); got != "README a.log b.log gone.log" {
		t.Errorf("left are %s", got)
	}
	s.trim(now.Add(31 * 24 * time.Hour))
	if got := strings.Join(left(), " "); got != "README a.log b.log" {
		t.Errorf("after a month: %s", got)
	}
}
