//go:build unix

package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pipedai/internal/hostdir"
)

// planted is what somebody else may have put where one of our files belongs,
// and a check that it was left alone.
var planted = map[string]func(t *testing.T, path string, folder bool) (untouched func() bool){
	"symlink": func(t *testing.T, path string, folder bool) func() bool {
		target := filepath.Join(t.TempDir(), "target")
		if folder {
			noError(t, os.Mkdir(target, 0o755))
		} else {
			noError(t, os.WriteFile(target, []byte("keep"), 0o644))
		}
		noError(t, os.Symlink(target, path))
		return func() bool {
			now, err := os.Readlink(path)
			return err == nil && now == target && pristine(target, folder)
		}
	},
	"fifo": func(t *testing.T, path string, _ bool) func() bool {
		noError(t, syscall.Mkfifo(path, 0o644))
		return func() bool {
			info, err := os.Lstat(path)
			return err == nil && info.Mode() == os.ModeNamedPipe|0o644
		}
	},
	"foreign": func(t *testing.T, path string, folder bool) func() bool {
		if os.Getuid() != 0 {
			t.Skip("only root can give a file to another user")
		}
		if folder {
			noError(t, os.Mkdir(path, 0o755))
		} else {
			noError(t, os.WriteFile(path, []byte("keep"), 0o644))
		}
		noError(t, os.Chown(path, 65534, 65534))
		return func() bool { return pristine(path, folder) }
	},
}

func pristine(path string, folder bool) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	if folder {
		inside, err := os.ReadDir(path)
		return err == nil && len(inside) == 0 && info.Mode() == os.ModeDir|0o755
	}
	data, err := os.ReadFile(path)
	return err == nil && string(data) == "keep" && info.Mode() == 0o644
}

// What is not ours where a file of ours belongs keeps the daemon from starting:
// it says what is in the way, and touches neither that nor a worker.
func TestRun_L18_whatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	places := map[string]func(hostdir.Dir) string{
		"manifest":         hostdir.Dir.Manifest,
		"manifest-wal":     func(d hostdir.Dir) string { return d.Manifest() + "-wal" },
		"lock":             hostdir.Dir.Lock,
		"credentials":      hostdir.Dir.Credentials,
		"daemon.json":      hostdir.Dir.DaemonInfo,
		"the logs folder":  hostdir.Dir.Logs,
		"the FIFO folder":  hostdir.Dir.FIFOs,
		"the files folder": hostdir.Dir.Workers,
	}
	for place, of := range places {
		for what, plant := range planted {
			t.Run(place+"/"+what, func(t *testing.T) {
				t.Parallel()
				dir := newHome(t, "https://a.test", "w1")
				path := of(dir)
				noError(t, os.RemoveAll(path))
				untouched := plant(t, path, strings.Contains(place, "folder"))
				err := Run(t.Context(), testOptions(dir))
				if !errors.Is(err, hostdir.ErrNotPlain) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v, want one that names %s", err, path)
				}
				if !untouched() {
					t.Error("it was touched")
				}
				if _, err := os.Lstat(dir.Log("w1")); err == nil {
					t.Error("a worker was started")
				}
			})
		}
	}
}

// A worker is not started with a configuration that is not ours: the others
// are, and the status says what is in the way.
func TestRun_L18_workerFileIsNotOurs(t *testing.T) {
	t.Parallel()
	for what, plant := range planted {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, "w1", "w2")
			dir := newHome(t, p.URL, "w1", "w2")
			path := dir.WorkerConfig("w1")
			noError(t, os.Remove(path))
			untouched := plant(t, path, false)
			d := startDaemon(t, testOptions(dir))
			d.pid(t, "w2")
			until(t, "the refusal shows", func() bool {
				local := d.worker(t, "w1").Local
				return local != nil && local.PID == nil && strings.Contains(local.LastError, path)
			})
			if !untouched() {
				t.Error("it was touched")
			}
			noError(t, os.Remove(path))
			noError(t, os.WriteFile(path, []byte(`{"workerId":"w1"}`), 0o600))
			if _, err := d.Act(t.Context(), "w1", "start"); err != nil {
				t.Fatal(err)
			}
			d.pid(t, "w1")
		})
	}
}
