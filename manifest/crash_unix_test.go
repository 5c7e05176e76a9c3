//go:build unix

package manifest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the child that dies is told.
const (
	crashPathVar = "MANIFEST_TEST_CRASH" // the manifest it changes
	crashAtVar   = "MANIFEST_TEST_AT"    // at which point, counted, it dies; 0 never
	crashCopyVar = "MANIFEST_TEST_COPY"  // the folder for what a power cut would leave
)

var crashWorkers = []string{"w0", "w1", "w2", "w3"}

// TestCrash_child is no test but the program that TestManifest_P16_killed
// kills: it makes one change after the other and says when one is done.
func TestCrash_child(t *testing.T) {
	path := os.Getenv(crashPathVar)
	if path == "" {
		return
	}
	ctx := context.Background()
	m, err := Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	state, err := readCrashed(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := strconv.Atoi(os.Getenv(crashAtVar))
	var mu sync.Mutex
	count, synced := 0, int64(0)
	m.reached = func(point string) {
		mu.Lock() // and held by who dies: nobody goes on
		if count++; point == "begun" {
			synced = sizeOf(path + "-wal")
		}
		if count != at {
			mu.Unlock()
			return
		}
		if err := powerCut(path, os.Getenv(crashCopyVar), synced); err != nil {
			fmt.Println("error", err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	done := func(what string, n int64, err error) {
		if err != nil {
			fmt.Println("error", what, n, err)
			return
		}
		fmt.Println("done", what, n)
	}
	for { // each kind counts for itself: it may have come further than another
		state.events++
		state.entry++
		events := []Event{{Type: "a"}, {Type: "b"}, {Type: "c"}}
		for i := range events {
			events[i].Data = json.RawMessage(strconv.FormatInt(state.events, 10))
		}
		done("events", state.events, m.AppendEvents(ctx, events))
		var group sync.WaitGroup
		for _, id := range crashWorkers { // committed together
			state.processes[id]++
			n := state.processes[id]
			group.Go(func() {
				exit := Exit{At: time.Now(), How: Unknown, Detail: strconv.FormatInt(n-1, 10)}
				done(id, n, m.ReplaceProcess(ctx, Process{ID: id, Generation: n, Live: true, StartedAt: time.Now(), Exit: &exit}))
			})
		}
		group.Wait()
		label := strconv.FormatInt(state.entry, 10)
		done("entry", state.entry, m.Upsert(ctx, Entry{ID: "e", Label: label, APIURL: "https://a.test/" + label, ConfigPath: "/c", Mode: ModeWorkspace}))
	}
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// powerCut copies what the disk holds after one: the file, and the log, of
// which what was flushed last is there for certain, and anything from nothing
// to all of what came after it.
func powerCut(path, folder string, synced int64) error {
	db, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		return err
	}
	if written := int64(len(wal)); written > synced {
		wal = wal[:synced+rand.Int64N(written-synced+1)]
	}
	if err := os.WriteFile(filepath.Join(folder, "manifest.db"), db, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "manifest.db-wal"), wal, 0o600)
}

// crashed is how far each kind of change came.
type crashed struct {
	events, entry int64
	processes     map[string]int64
}

// readCrashed reads it, and fails when a change is there by half.
func readCrashed(ctx context.Context, m *Manifest) (crashed, error) {
	out := crashed{processes: map[string]int64{}}
	var answer string
	if err := m.db.Reader.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&answer); err != nil || answer != "ok" {
		return out, fmt.Errorf("integrity_check: %s, %w", answer, err)
	}
	events, err := m.Events(ctx, EventsQuery{Limit: maxEvents})
	if err != nil {
		return out, err
	}
	if len(events)%3 != 0 {
		return out, fmt.Errorf("%d events: a batch is there by half", len(events))
	}
	for i, e := range events {
		n, _ := strconv.ParseInt(string(e.Data), 10, 64)
		if want := int64(i)/3 + 1; n != want || e.Type != string("abc"[i%3]) {
			return out, fmt.Errorf("event %d is %s of %d, want of %d", i, e.Type, n, want)
		}
		out.events = n
	}
	all, err := m.Processes(ctx)
	if err != nil {
		return out, err
	}
	for _, p := range all {
		out.processes[p.ID] = p.Generation
		exits, err := m.Exits(ctx, p.ID)
		if err != nil {
			return out, err
		}
		var newest int64
		for _, x := range exits {
			newest = max(newest, x.Generation)
		}
		if want := strconv.FormatInt(p.Generation-1, 10); newest != p.Generation-1 || p.Exit == nil || p.Exit.Detail != want {
			return out, fmt.Errorf("%s is at generation %d, and the newest end is of %d (%+v)", p.ID, p.Generation, newest, p.Exit)
		}
	}
	entries, err := m.Entries(ctx)
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		out.entry, _ = strconv.ParseInt(e.Label, 10, 64)
		if !strings.HasSuffix(e.APIURL, "/"+e.Label) {
			return out, fmt.Errorf("entry %s has %s", e.Label, e.APIURL)
		}
	}
	return out, nil
}

// A program that is killed at any point of a write, or loses its power there,
// leaves the manifest as it was before the change or as it is after it, and
// whatever was reported as done is there.
func TestManifest_P16_killed(t *testing.T) {
	t.Parallel()
	const rounds = 60
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("MANIFEST_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("again with MANIFEST_TEST_SEED=%d", seed)
	choice := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "manifest.db")
	acked := crashed{processes: map[string]int64{}}
	for round := range rounds {
		if round == rounds/2 { // the second half begins with the birth of a file
			path, acked = filepath.Join(t.TempDir(), "manifest.db"), crashed{processes: map[string]int64{}}
		}
		at, copied := 1+choice.IntN(40), t.TempDir()
		if round%6 == 0 {
			at = 0 // killed from outside, at any time: while it opens, or in a flush
		}
		crash(t, path, copied, at, time.Duration(choice.IntN(40))*time.Millisecond, &acked)
		if at > 0 {
			found := inspect(t, filepath.Join(copied, "manifest.db"), fmt.Sprintf("round %d, power cut at point %d", round, at))
			acked.among(t, found)
		}
		found := inspect(t, path, fmt.Sprintf("round %d, killed at point %d", round, at))
		acked.among(t, found)
		acked = found // what was done and not reported is done all the same
	}
	if acked.events == 0 || len(acked.processes) != len(crashWorkers) || acked.entry == 0 {
		t.Errorf("the rounds came no further than %+v", acked)
	}
}

// crash runs the child until it is dead and notes what it had reported.
func crash(t *testing.T, path, copied string, at int, limit time.Duration, acked *crashed) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestCrash_child$")
	child.Env = append(os.Environ(), crashPathVar+"="+path, crashAtVar+"="+strconv.Itoa(at), crashCopyVar+"="+copied)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if at == 0 {
		kill := time.AfterFunc(limit, func() { _ = child.Process.Kill() })
		defer kill.Stop()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var what string
		var n int64
		if got, _ := fmt.Sscanf(lines.Text(), "done %s %d", &what, &n); got != 2 {
			t.Errorf("the child says %q", lines.Text())
			continue
		}
		switch what {
		case "events":
			acked.events = n
		case "entry":
			acked.entry = n
		default:
			acked.processes[what] = n
		}
	}
	_ = child.Wait()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v", child.ProcessState)
	}
}

func inspect(t *testing.T, path, when string) crashed {
	t.Helper()
	m, err := Open(t.Context(), path)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	found, err := readCrashed(t.Context(), m)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return found
}

// among wants everything that was reported, and at most one change more.
func (c crashed) among(t *testing.T, found crashed) {
	t.Helper()
	within := func(what string, reported, now int64) {
		if now < reported || now > reported+1 {
			t.Fatalf("%s: %d was reported, the file has %d", what, reported, now)
		}
	}
	within("events", c.events, found.events)
	within("entry", c.entry, found.entry)
	for _, id := range crashWorkers {
		within(id, c.processes[id], found.processes[id])
	}
}
