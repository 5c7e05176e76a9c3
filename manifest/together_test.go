package manifest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func openAt(t *testing.T) *Manifest {
	t.Helper()
	m, err := Open(t.Context(), filepath.Join(t.TempDir(), "manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Records that arrive while one is being written share the next commit, and
// each caller hears of its own.
func TestManifest_CommitsTogether(t *testing.T) {
	t.Parallel()
	m := openAt(t)
	ctx := t.Context()
	if err := m.PutProcess(ctx, Process{ID: "old", Generation: 7, Live: true, StartedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	var commits atomic.Int32
	m.reached = func(point string) {
		if point == "committed" {
			commits.Add(1)
		}
	}
	m.group.turn <- struct{}{} // somebody is writing
	const callers = 50
	errs := make([]error, callers+2)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			errs[i] = m.PutProcess(ctx, Process{ID: fmt.Sprintf("w%02d", i), Generation: 1, Live: true, StartedAt: time.Now()})
		})
	}
	wg.Go(func() { errs[callers] = m.PutProcess(ctx, Process{ID: "old", Generation: 6}) })
	wg.Go(func() { errs[callers+1] = m.ClearProcess(ctx, "nobody", 1, Exit{At: time.Now(), How: Unknown}) })
	waiting := func() int {
		m.group.mu.Lock()
		defer m.group.mu.Unlock()
		return len(m.group.waiting)
	}
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for waiting() < callers+2 {
		<-poll.C
	}
	impatient, cancel := context.WithCancel(ctx)
	cancel()
	if err := m.PutProcess(impatient, Process{ID: "late", Generation: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up: %v", err)
	}
	<-m.group.turn
	wg.Wait()
	for i, err := range errs[:callers] {
		if err != nil {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	for _, err := range errs[callers:] {
		if !errors.Is(err, ErrStale) {
			t.Errorf("a stale one: %v", err)
		}
	}
	if n := commits.Load(); n != 1 {
		t.Errorf("%d commits for all of them, want 1", n)
	}
	all, err := m.Processes(ctx)
	if err != nil || len(all) != callers+1 {
		t.Errorf("%d processes, %v; the one that gave up must not be there", len(all), err)
	}
	if p, err := m.Process(ctx, "old"); err != nil || p.Generation != 7 {
		t.Errorf("the older generation came through: %+v %v", p, err)
	}
}

// One change that cannot be done is refused alone.
func TestManifest_CommitsTogetherButRefusesAlone(t *testing.T) {
	t.Parallel()
	m := openAt(t)
	broken := errors.New("no")
	ok := &change{done: make(chan error, 1), apply: func(ctx context.Context, tx *sql.Tx) error {
		return putProcess(ctx, tx, Process{ID: "w1", Generation: 1})
	}}
	bad := &change{done: make(chan error, 1), apply: func(ctx context.Context, tx *sql.Tx) error {
		if err := putProcess(ctx, tx, Process{ID: "half", Generation: 1}); err != nil {
			return err
		}
		return broken
	}}
	m.commitAll([]*change{bad, ok})
	if err := <-ok.done; err != nil {
		t.Error(err)
	}
	if err := <-bad.done; !errors.Is(err, broken) {
		t.Error(err)
	}
	if all, err := m.Processes(t.Context()); err != nil || len(all) != 1 || all[0].ID != "w1" {
		t.Errorf("%+v %v", all, err)
	}
}

func TestManifest_ExitsAreKeptShort(t *testing.T) {
	t.Parallel()
	m := openAt(t)
	ctx := t.Context()
	at := time.UnixMicro(1_800_000_000_000_000).UTC()
	for i := range 30 {
		p := Process{ID: "w1", Generation: int64(i + 1), Live: true, StartedAt: at.Add(time.Duration(i) * time.Minute)}
		if i%2 == 1 { // its predecessor's end comes with it
			code := i - 1
			p.Exit = &Exit{How: Exited, Code: &code, At: at}
			if err := m.ReplaceProcess(ctx, p); err != nil {
				t.Fatal(err)
			}
			if err := m.ClearProcess(ctx, "w1", p.Generation, Exit{How: NotStarted, Detail: "no such program", At: at}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := m.PutProcess(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	got, err := m.Exits(ctx, "w1")
	if err != nil || len(got) != KeptExits {
		t.Fatalf("%d exits, %v", len(got), err)
	}
	if e := got[0]; e.Generation != 30 || e.How != NotStarted || e.Detail != "no such program" || !e.StartedAt.Equal(at.Add(29*time.Minute)) {
		t.Errorf("newest: %+v", e)
	}
	if e := got[1]; e.Generation != 29 || e.How != Exited || *e.Code != 28 {
		t.Errorf("the one before: %+v", e)
	}
	if last := got[KeptExits-1]; last.Generation != 11 {
		t.Errorf("oldest kept: %+v", last)
	}
	// An end is told once, whoever tells it.
	if err := m.ClearProcess(ctx, "w1", 30, Exit{How: Unknown, At: at}); err != nil {
		t.Fatal(err)
	}
	if again, _ := m.Exits(ctx, "w1"); again[0].How != NotStarted {
		t.Errorf("told twice: %+v", again[0])
	}
	if err := m.DropProcess(ctx, "w1"); err != nil {
		t.Fatal(err)
	}
	if left, err := m.Exits(ctx, "w1"); err != nil || len(left) != 0 {
		t.Errorf("dropped, left: %+v %v", left, err)
	}
}
