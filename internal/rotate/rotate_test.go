package rotate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newFile(t *testing.T, max int64, backups int) (*File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "daemon.log")
	f, err := Open(path, max, backups)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, path
}

func say(t *testing.T, f *File, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, err := fmt.Fprintf(f, "line %04d\n", i); err != nil { // 10 bytes
			t.Fatal(err)
		}
	}
}

func numbered(from, to int) []string {
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("line %04d", i))
	}
	return lines
}

func TestFile_staysWithinItsBounds(t *testing.T) {
	t.Parallel()
	f, path := newFile(t, 100, 2)
	say(t, f, 0, 95)
	names, err := filepath.Glob(path + "*")
	if err != nil || !slices.Equal(names, []string{path, path + ".1", path + ".2"}) {
		t.Errorf("files %q, %v", names, err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || info.Size() > 100 || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for n, want := range map[int][]string{1: numbered(94, 95), 5: numbered(90, 95), 12: numbered(83, 95), 1000: numbered(70, 95)} {
		if got, err := Tail(path, n); err != nil || !slices.Equal(got, want) {
			t.Errorf("the last %d are %q, %v", n, got, err)
		}
	}
	if _, err := Tail(path+".none", 5); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	// Opened again it goes on where it was, and a record larger than a file is
	// kept whole.
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, 100, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	say(t, again, 95, 96)
	if _, err := again.Write([]byte(string(make([]byte, 300)) + "\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := Tail(path, 2); err != nil || got[0] != "line 0095" || len(got[1]) != 300 {
		t.Errorf("after another start: %q, %v", got, err)
	}
}

func TestFile_refusesALink(t *testing.T) {
	t.Parallel()
	_, path := newFile(t, 100, 2)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(link, 100, 2); err == nil {
		t.Error("a link was followed")
	}
}

// Many write at once: every record is there once, and whole.
func TestFile_manyWriters(t *testing.T) {
	t.Parallel()
	f, path := newFile(t, 1000, 50)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() { say(t, f, w*100, w*100+100) })
	}
	wg.Wait()
	got, err := Tail(path, 1000)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, numbered(0, 800)) {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

// A follower sees every line once, however often the file is rotated between
// two looks, and waits while there is no file.
func TestFollow_throughRotations(t *testing.T) {
	t.Parallel()
	f, path := newFile(t, 100, 3)
	say(t, f, 0, 15)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		ended := make(chan error, 1)
		go func() { ended <- Follow(ctx, path, 3, func(l string) { got = append(got, l) }) }()
		look := func(want []string) {
			t.Helper()
			time.Sleep(2 * followEvery) // of the bubble
			synctest.Wait()
			if !slices.Equal(got, want) {
				t.Fatalf("followed %q, want %q", got, want)
			}
		}
		look(numbered(12, 15))
		say(t, f, 15, 18)
		look(numbered(12, 18))
		say(t, f, 18, 22) // one rotation
		look(numbered(12, 22))
		say(t, f, 22, 45) // several
		look(numbered(12, 45))
		if _, err := f.Write([]byte("line ")); err != nil {
			t.Fatal(err)
		}
		look(numbered(12, 45)) // half a line is none
		if _, err := f.Write([]byte("0045\n")); err != nil {
			t.Fatal(err)
		}
		look(numbered(12, 46))
		if err := errors.Join(f.Close(), os.Rename(path, path+".1")); err != nil {
			t.Fatal(err)
		}
		look(numbered(12, 46))
		say(t, f, 46, 48)
		look(numbered(12, 48))
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}
