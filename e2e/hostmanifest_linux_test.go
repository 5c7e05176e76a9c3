package e2e

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pipedai/internal/sqlitefile"
)

// A daemon that cannot use the manifest says what helps and touches nothing:
// the workers run on, and are taken up once it is mended.
func TestHost_brokenManifest(t *testing.T) {
	t.Parallel()
	h := newFaultHost(t, map[string]string{"steady": "steady"})
	h.boot(0)
	h.configure()
	h.settle(h.nothing)
	before := h.processes()
	h.down()
	h.proc.kill(t, syscall.SIGKILL)

	file := filepath.Join(h.home, "orchestrator", "manifest.db")
	good := copyManifest(t, file)
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T) (mend func())
		code  int
		words []string
	}{
		{"corrupt", func(t *testing.T) func() {
			_ = os.Remove(file + "-wal") // it may hold all there is
			put(t, file, "this is no database, it only looks as large as one")
			return func() {}
		}, 1, []string{file, "a copy of it"}},
		{"newer", func(t *testing.T) func() {
			h.manifest(`INSERT INTO manifest_migrations (version_id, is_applied) VALUES (99999, 1)`)
			h.manifest(`PRAGMA user_version = 99999`) // and only a program that knows it may
			return func() {}
		}, 1, []string{"newer version"}},
		{"locked", func(t *testing.T) func() {
			db, err := sqlitefile.Open(context.Background(), file, sqlitefile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Writer.Exec(`PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE entries SET label = label`); err != nil {
				t.Fatal(err)
			}
			return func() { _ = db.Close() }
		}, 6, []string{"manifest.db"}},
	} {
		for name, data := range good {
			put(t, name, string(data))
		}
		mend := c.spoil(t)
		got := call(t, h.host.env, "pipedai-orchestrator", h.args...)
		mend()
		t.Run(c.name, func(t *testing.T) { refused(t, got, c.code, c.words...) })
		for _, p := range before {
			if !alive(p.pid) {
				t.Fatalf("%s: the worker was ended", c.name)
			}
		}
	}
	for name, data := range good {
		put(t, name, string(data))
	}
	h.boot(0)
	h.settle(h.nothing)
	if after := h.processes(); len(after) != 1 || after[0].pid != before[0].pid {
		t.Errorf("taken up: %+v, want %+v", after, before)
	}
	h.finish()
}

// copyManifest reads the files of a manifest that nobody has open.
func copyManifest(t *testing.T, file string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		if data, err := os.ReadFile(name); err == nil {
			files[name] = data
		}
	}
	if len(files[file]) == 0 {
		t.Fatal("there is no manifest")
	}
	return files
}

// put replaces a file as a whole, for another one may have it open.
func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
