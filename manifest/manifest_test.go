package manifest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"pipedai/internal/sqlitefile"
	"pipedai/manifest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("MANIFEST_TEST_OPEN"); path != "" {
		os.Exit(openAndTell(path))
	}
	goleak.VerifyTestMain(m)
}

// openAndTell is the child of the read-only test.
func openAndTell(path string) int {
	m, err := manifest.Open(context.Background(), path)
	if errors.Is(err, manifest.ErrReadOnly) {
		fmt.Println("refused as read-only")
		return 0
	}
	if err == nil {
		m.Close()
	}
	fmt.Println("opened, or failed otherwise:", err)
	return 1
}

func open(t testing.TB, path string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func entry(id string) manifest.Entry {
	return manifest.Entry{ID: id, Label: "build box", APIURL: "https://api.example.test/", WorkspaceID: "ws9",
		ConfigPath: "/home/u/" + id + ".json", Mode: manifest.ModeWorkspace, Running: true, Enabled: true}
}

var noTimes = cmpopts.IgnoreFields(manifest.Entry{}, "CreatedAt")

func TestManifest_Entries(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "home", "manifest.db")
	m := open(t, path)
	ctx := t.Context()

	first, second := entry("w1"), entry("w2")
	second.Mode, second.WorkspaceID, second.Enabled = manifest.ModePool, "", false
	for _, e := range []manifest.Entry{first, second} {
		if err := m.Add(ctx, e); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("file and folder are private", func(t *testing.T) {
		for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("mode of %s is %o, want %o", p, got, want)
			}
		}
	})
	t.Run("duplicate id or configPath is refused", func(t *testing.T) {
		sameID, sameConfig := entry("w1"), entry("w3")
		sameID.ConfigPath, sameConfig.ConfigPath = "/elsewhere.json", first.ConfigPath
		for _, e := range []manifest.Entry{sameID, sameConfig} {
			if err := m.Add(ctx, e); !errors.Is(err, manifest.ErrDuplicate) {
				t.Errorf("add %+v: %v, want ErrDuplicate", e, err)
			}
		}
	})
	t.Run("bad entries are refused", func(t *testing.T) {
		for _, change := range []func(*manifest.Entry){
			func(e *manifest.Entry) { e.ID = "../../x" },
			func(e *manifest.Entry) { e.ID = "con" },
			func(e *manifest.Entry) { e.Label = "" },
			func(e *manifest.Entry) { e.APIURL = "/relative" },
			func(e *manifest.Entry) { e.ConfigPath = "" },
			func(e *manifest.Entry) { e.Mode = "cloud" },
		} {
			e := entry("bad")
			change(&e)
			if err := m.Add(ctx, e); !errors.Is(err, manifest.ErrInvalid) {
				t.Errorf("add %+v: %v, want ErrInvalid", e, err)
			}
		}
	})
	top := t // the file opened again outlives its subtest
	t.Run("running and enabled are separate and survive", func(t *testing.T) {
		if err := m.SetRunning(ctx, "w1", false); err != nil {
			t.Fatal(err)
		}
		if err := m.SetEnabled(ctx, "w2", true); err != nil {
			t.Fatal(err)
		}
		if err := m.SetRunning(ctx, "nobody", true); !errors.Is(err, manifest.ErrNotFound) {
			t.Errorf("set of unknown: %v, want ErrNotFound", err)
		}
		m.Close()
		m = open(top, path)
		got, err := m.Entries(ctx)
		if err != nil {
			t.Fatal(err)
		}
		first.Running, second.Enabled = false, true
		if diff := cmp.Diff([]manifest.Entry{first, second}, got, noTimes); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("upsert keeps the place, remove takes it out", func(t *testing.T) {
		first.Label, first.Running = "renamed", true
		if err := m.Upsert(ctx, first); err != nil {
			t.Fatal(err)
		}
		if err := m.Upsert(ctx, entry("w3")); err != nil {
			t.Fatal(err)
		}
		if err := m.Remove(ctx, "w2"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Entry(ctx, "w2"); !errors.Is(err, manifest.ErrNotFound) {
			t.Errorf("removed entry: %v, want ErrNotFound", err)
		}
		got, err := m.Entries(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]manifest.Entry{first, entry("w3")}, got, noTimes); diff != "" {
			t.Error(diff)
		}
	})
}

func TestManifest_Process(t *testing.T) {
	t.Parallel()
	m := open(t, filepath.Join(t.TempDir(), "manifest.db"))
	ctx := t.Context()
	if _, err := m.Process(ctx, "w1"); !errors.Is(err, manifest.ErrNotFound) {
		t.Fatalf("before the first: %v, want ErrNotFound", err)
	}
	at := time.UnixMicro(1_800_000_000_123_456).UTC()
	p := manifest.Process{ID: "w1", Generation: 2, Live: true, PID: 7, StartTime: 99, BootID: "b", SpecHash: "h",
		FIFOOut: "/f/o", FIFOErr: "/f/e", StartedAt: at, Restarts: 1, TotalRestarts: 5}
	if err := m.PutProcess(ctx, p); err != nil {
		t.Fatal(err)
	}
	older := p
	older.Generation, older.PID = 1, 6
	if err := m.PutProcess(ctx, older); !errors.Is(err, manifest.ErrStale) {
		t.Errorf("older generation: %v, want ErrStale", err)
	}
	if err := m.ClearProcess(ctx, "w1", 1, manifest.Exit{}); !errors.Is(err, manifest.ErrStale) {
		t.Errorf("late end of an older generation: %v, want ErrStale", err)
	}
	if err := m.DropProcess(ctx, "w1"); err != nil {
		t.Fatal(err)
	}
	got, err := m.Process(ctx, "w1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" {
		t.Error(diff)
	}

	signal := "SIGKILL"
	exit := &manifest.Exit{How: manifest.Killed, Signal: &signal, At: at}
	if err := m.ClearProcess(ctx, "w1", 2, *exit); err != nil {
		t.Fatal(err)
	}
	p.Live, p.PID, p.StartTime, p.Exit = false, 0, 0, exit
	all, err := m.Processes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]manifest.Process{p}, all); diff != "" {
		t.Error(diff)
	}
	if err := m.DropProcess(ctx, "w1"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Process(ctx, "w1"); !errors.Is(err, manifest.ErrNotFound) {
		t.Errorf("dropped: %v, want ErrNotFound", err)
	}
}

func TestManifest_Events(t *testing.T) {
	t.Parallel()
	m := open(t, filepath.Join(t.TempDir(), "manifest.db"))
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			data := json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))
			if _, err := m.AppendEvent(ctx, manifest.Event{EntryID: "w1", Type: "started", Data: data}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := m.Events(ctx, manifest.EventsQuery{Since: 15})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 5 || got[0].Seq != 16 || got[4].Seq != 20 {
		t.Errorf("events after 15: %+v", got)
	}
	if _, err := m.AppendEvent(ctx, manifest.Event{Type: "x", Data: json.RawMessage(`{`)}); err == nil {
		t.Error("data that is not JSON was stored")
	}
}

// connect and the daemon may both open a new manifest at once.
func TestOpen_AtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "manifest.db")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			m, err := manifest.Open(context.Background(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer m.Close()
			if err := m.Add(context.Background(), entry(fmt.Sprint("w", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := open(t, path).Entries(t.Context()); err != nil || len(got) != 6 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

// A file that cannot be used is refused with its reason and left byte for byte
// as it was.
func TestOpen_Refuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare func(t *testing.T, path string)
		want    error
	}{
		"not a database": {func(t *testing.T, path string) {
			write(t, path, strings.Repeat("this is no database\n", 400))
		}, manifest.ErrCorrupt},
		"damaged pages": {func(t *testing.T, path string) {
			m := open(t, path)
			for i := range 200 {
				if err := m.Add(t.Context(), entry(fmt.Sprint("w", i))); err != nil {
					t.Fatal(err)
				}
			}
			m.Close()
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for offset := int64(4096); offset < 12*4096; offset += 4096 {
				if _, err := f.WriteAt([]byte(strings.Repeat("\xff", 200)), offset); err != nil {
					t.Fatal(err)
				}
			}
		}, manifest.ErrCorrupt},
		"newer schema": {func(t *testing.T, path string) {
			open(t, path).Close()
			db := raw(t, path)
			for _, stmt := range []string{`INSERT INTO manifest_migrations (version_id, is_applied) VALUES (999, 1)`, `PRAGMA user_version = 999`} {
				if _, err := db.Exec(stmt); err != nil {
					t.Fatal(err)
				}
			}
			db.Close()
		}, manifest.ErrNewerSchema},
		"locked": {func(t *testing.T, path string) {
			open(t, path).Close()
			db := raw(t, path)
			db.SetMaxOpenConns(1)
			for _, stmt := range []string{`PRAGMA locking_mode = EXCLUSIVE`, `BEGIN EXCLUSIVE`} {
				if _, err := db.Exec(stmt); err != nil {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() { db.Close() })
		}, manifest.ErrLocked},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "manifest.db")
			c.prepare(t, path)
			before := read(t, path)
			m, err := manifest.Open(t.Context(), path)
			if !errors.Is(err, c.want) {
				if err == nil {
					m.Close()
				}
				t.Fatalf("open: %v, want %v", err, c.want)
			}
			if before != read(t, path) {
				t.Error("the refused file was changed")
			}
		})
	}
}

func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sqlitefile.Open(t.Context(), path, sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db.Writer
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
