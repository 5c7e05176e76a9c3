package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pipedai/internal/hostdir"
)

const (
	runStarted = `{"seq":1,"type":"system","ts":"2026-07-01T10:00:00.000Z","payload":{"subtype":"started"}}` + "\n"
	runResult  = `{"seq":2,"type":"result","ts":"2026-07-01T10:00:01.000Z","payload":{"result":"success"}}` + "\n"
)

// runsFolder holds files that changed some time ago.
type runsFolder struct {
	dir string
	now time.Time
}

func (f runsFolder) put(t *testing.T, name, text string, ago time.Duration) {
	t.Helper()
	path := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, f.now, f.now.Add(-ago)); err != nil {
		t.Fatal(err)
	}
}

func (f runsFolder) left(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(f.dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range names {
		names[i] = filepath.Base(filepath.Dir(names[i])) + "/" + filepath.Base(names[i])
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

const day = 24 * time.Hour

func TestRuns_oldFilesGoAndThoseOfRunningRunsStay(t *testing.T) {
	t.Parallel()
	f := runsFolder{t.TempDir(), time.Now()}
	f.put(t, "w1/new.ndjson", runStarted+runResult, day)
	f.put(t, "w1/old.ndjson", runStarted+runResult, 15*day)
	f.put(t, "w1/running.ndjson", runStarted, 20*day)           // since the process began, and no result
	f.put(t, "w1/half.ndjson", runStarted+`{"seq":2,`, 20*day)  // in the middle of a line
	f.put(t, "w1/orphan.ndjson", runStarted, 40*day)            // of a process that is no more
	f.put(t, "w1/notes.txt", "a person's", 400*day)             // not ours
	f.put(t, "gone/left.ndjson", runStarted, 15*day)            // its worker was deleted
	f.put(t, "w2/fresh.ndjson", runStarted, time.Minute)        //
	running := map[string]time.Time{"w1": f.now.Add(-30 * day)} // for 30 days
	removed, freed, err := tidyRuns(t.Context(), f.dir, RunLimits{}, f.now, running)
	if err != nil || removed != 3 || freed == 0 {
		t.Errorf("removed %d of %d bytes, %v", removed, freed, err)
	}
	want := "w1/half.ndjson w1/new.ndjson w1/notes.txt w1/running.ndjson w2/fresh.ndjson"
	if got := f.left(t); got != want {
		t.Errorf("left %s\nwant %s", got, want)
	}
	if _, err := os.Stat(filepath.Join(f.dir, "gone")); !os.IsNotExist(err) {
		t.Errorf("the folder of a worker that is no more: %v", err)
	}
}

func TestRuns_theOldestGoWhenTheyTakeTooMuch(t *testing.T) {
	t.Parallel()
	f := runsFolder{t.TempDir(), time.Now()}
	for i := range 10 {
		f.put(t, fmt.Sprintf("w%d/r%d.ndjson", i%2, i), strings.Repeat("x", 1000-len(runResult)-1)+"\n"+runResult, time.Duration(10-i)*day)
	}
	f.put(t, "w1/now.ndjson", strings.Repeat("x", 1500), time.Minute) // too young to go, and it counts
	if removed, freed, err := tidyRuns(t.Context(), f.dir, RunLimits{Bytes: 4000}, f.now, nil); removed != 8 || freed != 8000 || err != nil {
		t.Errorf("removed %d, %d bytes, %v", removed, freed, err)
	}
	if got, want := f.left(t), "w0/r8.ndjson w1/now.ndjson w1/r9.ndjson"; got != want {
		t.Errorf("left %s, want %s", got, want)
	}
}

// What lies behind links is not ours to remove.
func TestRuns_linksLeadNowhere(t *testing.T) {
	t.Parallel()
	f, other := runsFolder{t.TempDir(), time.Now()}, runsFolder{t.TempDir(), time.Now()}
	other.put(t, "w1/theirs.ndjson", runStarted, 100*day)
	if err := os.Symlink(filepath.Join(other.dir, "w1"), filepath.Join(f.dir, "w1")); err != nil {
		t.Fatal(err)
	}
	f.put(t, "w2/a.ndjson", "", day)
	if err := os.Symlink(filepath.Join(other.dir, "w1", "theirs.ndjson"), filepath.Join(f.dir, "w2", "b.ndjson")); err != nil {
		t.Fatal(err)
	}
	if removed, _, err := tidyRuns(t.Context(), f.dir, RunLimits{}, f.now, nil); removed != 0 || err != nil {
		t.Errorf("removed %d, %v", removed, err)
	}
	if other.left(t) != "w1/theirs.ndjson" {
		t.Error("a file elsewhere is gone")
	}
	if removed, _, err := tidyRuns(t.Context(), filepath.Join(f.dir, "no"), RunLimits{}, f.now, nil); removed != 0 || err != nil {
		t.Errorf("without a folder: %d, %v", removed, err)
	}
}

// Whatever happens may nudge; once an hour one of them counts.
func TestRuns_onceAnHour(t *testing.T) {
	t.Parallel()
	k, now := newRunKeeper(nil), time.Now()
	k.now = func() time.Time { return now }
	due := func() bool {
		for range 100 {
			k.nudge()
		}
		select {
		case <-k.due:
			return true
		default:
			return false
		}
	}
	if !due() || due() {
		t.Error("the first nudge counts, and it alone")
	}
	now = now.Add(59 * time.Minute)
	if due() {
		t.Error("it counts again after 59 minutes")
	}
	now = now.Add(2 * time.Minute)
	if !due() {
		t.Error("it does not count again after an hour")
	}
}

// The whole daemon: at its start it removes what got too old while it was away.
func TestRuns_theDaemonTidies(t *testing.T) {
	t.Parallel()
	dir, err := hostdir.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := runsFolder{dir.Runs(), time.Now()}
	f.put(t, "w1/old.ndjson", runStarted+runResult, 2*day)
	f.put(t, "w1/new.ndjson", runStarted+runResult, day/2)
	o := testOptions(dir)
	o.Runs.Age = day
	startDaemon(t, o)
	until(t, "the old file goes", func() bool { return f.left(t) == "w1/new.ndjson" })
}
