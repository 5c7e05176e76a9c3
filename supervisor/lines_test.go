package supervisor

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever a worker writes comes out complete, in valid lines of bounded
// length, however it is cut into reads.
func FuzzNextLine(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n\xff\x00tail"), 3)
	f.Add([]byte(strings.Repeat("x", maxLine)+"\r\n"), 1)
	f.Add([]byte(strings.Repeat("x", maxLine+1)+"\n"), 4096)
	f.Add([]byte(strings.Repeat("é", maxLine)), 8191)
	f.Add(bytes.Repeat([]byte{0x80}, 3*maxLine), 5000)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		step = max(len(data)/200, 1, min(step, len(data))) // a byte at a time takes too long
		var got []byte
		take := func(window []byte, final bool) int {
			text, n, cut := nextLine(window, final)
			if n == 0 {
				return 0
			}
			if s := toText(text, cut); !utf8.ValidString(s) || len(text) > maxLine {
				t.Fatalf("bad line of %d bytes", len(text))
			}
			got = append(got, text...)
			if !cut {
				got = append(got, '\n')
			}
			return n
		}
		from := 0
		for to := 0; to < len(data); {
			to = min(to+step, len(data))
			for n := take(data[from:to], false); n > 0; n = take(data[from:to], false) {
				from += n
			}
			if to-from > maxLine+2 {
				t.Fatalf("%d bytes wait for a line end", to-from)
			}
		}
		for n := take(data[from:], true); n > 0; n = take(data[from:], true) {
			from += n
		}
		want := bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		if len(want) > 0 && want[len(want)-1] != '\n' {
			want = append(want, '\n')
		}
		if !bytes.Equal(got, want) && !bytes.Contains(data, []byte("\r")) {
			t.Errorf("%d bytes came out as %d", len(want), len(got))
		}
	})
}

func TestLine_RoundTrip(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 2, 3, 4, 5, 6, 7_000_000, time.UTC)
	raw := string(appendLine(nil, Line{TS: at, Stream: "err", Text: "  two  spaces"}))
	if want := "2030-02-03T04:05:06.007Z err   two  spaces\n"; raw != want {
		t.Errorf("%q, want %q", raw, want)
	}
	if got := parseLine(strings.TrimSuffix(raw, "\n")); got != (Line{TS: at, Stream: "err", Text: "  two  spaces"}) {
		t.Errorf("read back as %+v", got)
	}
	if got := parseLine("someone else's line"); got.Text != "someone else's line" {
		t.Errorf("foreign line: %+v", got)
	}
}

func nothing(int64, uint64) {}

func logLines(from, to int) (out []Line) {
	for i := from; i < to; i++ {
		out = append(out, Line{TS: time.Now(), Stream: "out", Text: fmt.Sprint("line ", i)})
	}
	return out
}

func texts(t *testing.T, path string, n int) (out []string) {
	t.Helper()
	lines, err := tailFiles(path, 3, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return out
}

func TestLogFile_RotatesByRealSize(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "logs", "w1.log")
	for i := range 200 { // opened anew each time, as by a daemon that restarts
		l := newLogFile(path, 1000, 3, slog.New(slog.DiscardHandler))
		l.commit(logLines(i, i+1), nothing, func() {})
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

// A full disk costs lines, not the worker and not the daemon.
func TestLogFile_DiskFull(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		return // only Linux has such a device
	}
	path := filepath.Join(t.TempDir(), "w1.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	l := newLogFile(path, 1000, 3, slog.New(slog.DiscardHandler))
	defer l.close()
	done := 0
	l.commit(logLines(0, 3), nothing, func() { done++ })
	l.commit(logLines(3, 5), nothing, func() { done++ })
	if done != 2 {
		t.Errorf("%d of 2 writes were answered", done)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.commit(logLines(5, 6), nothing, func() {})
	got := texts(t, path, 10)
	if len(got) != 2 || got[0] != "[pipedai] 5 lines dropped here: no space left on device" || got[1] != "line 5" {
		t.Errorf("after the disk recovered: %q", got)
	}
}

func TestTail_LargeFileAndUnfinishedLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w1.log")
	l := newLogFile(path, 1<<30, 3, slog.New(slog.DiscardHandler))
	l.commit(logLines(0, 20_000), nothing, func() {})
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
