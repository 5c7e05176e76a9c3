package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tinyDisk mounts a file system of 256 KiB.
func tinyDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatalf("this test mounts a small tmpfs, which needs root (run it in a container or with sudo): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// A full disk costs lines, not the worker and not the daemon, and the log says
// how many.
func TestLogFile_DiskFull(t *testing.T) {
	t.Parallel()
	dir := tinyDisk(t)
	path := filepath.Join(dir, "w1.log")
	l := newLogFile(path, 1<<30, 3, quiet)
	defer l.close()
	hog := filepath.Join(dir, "hog")
	put(l, 0, 3)
	fill(t, hog)
	done, written := 0, 3
	for range 1000 { // what is left of the last page first
		pos := l.commit(formatted(Line{Stream: "out", Text: fmt.Sprint("line ", written)}), 1, nothing, func() { done++ })
		if pos < 0 {
			break
		}
		written++
	}
	l.commit(formatted(Line{Stream: "out"}, Line{Stream: "out"}, Line{Stream: "out"}, Line{Stream: "out"}), 4, nothing, func() { done++ })
	if done != written-3+2 {
		t.Errorf("%d of %d writes were answered", done, written-3+2)
	}
	if l.lost.Load() != 5 {
		t.Errorf("%d lines are told to be lost, want 5", l.lost.Load())
	}
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	put(l, 100, 101)
	got := texts(t, path, 1000)
	if want := []string{"[pipedai] 5 lines dropped here: no space left on device", "line 100"}; len(got) != written+2 ||
		got[written] != want[0] || got[written+1] != want[1] || got[written-1] != fmt.Sprint("line ", written-1) {
		t.Errorf("after the disk recovered: %q, want %d lines and then %q", got, written, want)
	}
}

func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for page := make([]byte, 4096); err == nil; {
		_, err = f.Write(page)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// The file system becomes read-only, and writable again.
func TestLogFile_ReadOnly(t *testing.T) {
	t.Parallel()
	dir := tinyDisk(t)
	path := filepath.Join(dir, "w1.log")
	l := newLogFile(path, 1<<30, 3, quiet)
	put(l, 0, 1)
	l.close() // by a daemon that ended: an open file keeps a disk writable
	l = newLogFile(path, 1<<30, 3, quiet)
	defer l.close()
	// A process that another test is just starting has what was open then.
	eventually(t, "a read-only disk", func() bool {
		err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		if err != nil && !errors.Is(err, unix.EBUSY) {
			t.Fatal(err)
		}
		return err == nil
	})
	if pos := put(l, 1, 3); pos >= 0 {
		t.Error("lines were written to a read-only disk")
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=256k"); err != nil {
		t.Fatal(err)
	}
	put(l, 3, 4)
	if got := strings.Join(texts(t, path, 10), "|"); got != "line 0|[pipedai] 2 lines dropped here: read-only file system|line 3" {
		t.Errorf("log has %q", got)
	}
}

// Somebody put a link, a FIFO or a folder where the log belongs: what it leads
// to is not touched.
func TestLogFile_L18_nothingIsFollowed(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(path, other string) error{
		"symlink": func(path, other string) error { return os.Symlink(other, path) },
		"fifo":    func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
		"folder":  func(path, _ string) error { return os.Mkdir(path, 0o700) },
		"another user's": func(path, _ string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 65534, 65534))
		},
	} {
		if name == "another user's" && os.Getuid() != 0 {
			continue // nobody but root can give a file away
		}
		dir := t.TempDir()
		path, other := filepath.Join(dir, "w1.log"), filepath.Join(dir, "other")
		if err := os.WriteFile(other, []byte("precious\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := place(path, other); err != nil {
			t.Fatal(err)
		}
		l := newLogFile(path, 1<<20, 3, quiet)
		if pos := put(l, 0, 2); pos >= 0 || l.lost.Load() != 2 {
			t.Errorf("%s: at position %d, %d lost", name, pos, l.lost.Load())
		}
		if data, err := os.ReadFile(other); string(data) != "precious\n" {
			t.Errorf("%s: the other file is %q, %v", name, data, err)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		put(l, 2, 3)
		if got := texts(t, path, 10); len(got) != 2 || got[1] != "line 2" {
			t.Errorf("%s: after it was gone: %q", name, got)
		}
		l.close()
	}
}
