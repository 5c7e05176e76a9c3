package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

const (
	crashRuns = 60
	// crashLead is how many ends a victim may tell of before it is listened to.
	// A fast one would be done before it can be killed.
	crashLead = 20
)

// Crash kills processes in the middle of their work on one store, again and
// again, and checks that what they were told is done is done, once, and that
// everything ends. With opens the store for the time of a call; victim is a
// process that calls CrashVictim on the same store.
func Crash(t *testing.T, with func(func(store.Store)), victim func() *exec.Cmd) {
	t.Helper()
	with(func(s store.Store) {
		f := &fixture{TB: t, Store: s, ctx: t.Context()}
		tasks := []store.Task{task("a", "b", "c", "d"), task("b", "e"), task("c", "e"), task("d", "e"), task("e")}
		structure := pipeline.Structure{}
		for i := range tasks {
			tasks[i].Retry = pipeline.RetryPolicy{Retries: 1000, Backoff: pipeline.BackoffFixed}
			tasks[i].Concurrency = []int{0, 20}[i%2]
			structure[tasks[i].ID] = pipeline.Node{AllowedNext: tasks[i].AllowedNext}
		}
		f.register(tasks...)
		f.must1(f.PutPipeline(f.ctx, store.Pipeline{ID: "crash", EntryTasks: ids("a"), Structure: structure}))
		for range crashRuns {
			f.start("crash", "")
		}
	})

	acknowledged := map[string]bool{}
	kills := 0
	for after := 1; ; after += 5 {
		if !runVictim(t, victim(), after, acknowledged) {
			break
		}
		kills++
	}
	if kills < 5 {
		t.Errorf("only %d processes were killed", kills)
	}
	with(func(s store.Store) { checkCrash(&fixture{TB: t, Store: s, ctx: t.Context()}, acknowledged) })
}

// runVictim kills a process after it was told of so many ends, and reports
// whether there was still one to kill.
func runVictim(t *testing.T, cmd *exec.Cmd, after int, acknowledged map[string]bool) (killed bool) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	goOn, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listened := func(n int) { _, _ = goOn.Write(make([]byte, n)) } // to a dead one: it does not matter
	listened(crashLead)
	finished := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch end, found := strings.CutPrefix(lines.Text(), "ended "); {
		case lines.Text() == "nothing left":
			finished = true
		case found:
			if acknowledged[end] {
				t.Errorf("%s was ended twice", end)
			}
			acknowledged[end] = true
			if after--; after == 0 {
				_ = cmd.Process.Kill() // what it wrote before is still read
				killed = true
			}
			listened(1)
		}
	}
	if err := cmd.Wait(); err != nil && !killed {
		t.Fatalf("the victim failed by itself: %v", err)
	}
	return !finished
}

func checkCrash(f *fixture, acknowledged map[string]bool) {
	f.Helper()
	runs, total, err := f.PipelineRuns(f.ctx, store.RunFilter{Limit: crashRuns})
	f.must(err)
	if total != crashRuns {
		f.Fatalf("there are %d runs", total)
	}
	attempts := map[string]int{}
	for _, r := range runs {
		f.wantStates(r.ID, pipeline.RunCompleted, "a=completed", "b=completed", "c=completed", "d=completed", "e=completed")
		tasks, err := f.TasksOfRun(f.ctx, r.ID)
		f.must(err)
		for _, t := range tasks {
			attempts[string(t.ID)] = t.Attempt
		}
	}
	for end := range acknowledged {
		id, attempt, _ := strings.Cut(end, " ")
		if fmt.Sprint(attempts[id]) != attempt {
			f.Errorf("the end of attempt %s of %s was acknowledged and lost: it ended with attempt %d", attempt, id, attempts[id])
		}
	}
	st, err := f.QueueStatus(f.ctx)
	f.must(err)
	if st.Pending != 0 || st.Running != 0 || st.Completed != 5*crashRuns || st.DeadLetters != 0 {
		f.Errorf("kept counts %+v", st)
	}
	f.must(f.DeletePipeline(f.ctx, "crash")) // refused while anything counts as open
}

// CrashVictim works on everything there is, two batches at a time, telling on
// standard output of every end it was told of, until nothing is left or it is
// killed. For each it reads a byte from standard input, which says that it may
// go on.
func CrashVictim(t *testing.T, s store.Store) {
	t.Helper()
	f := &fixture{TB: t, Store: s, ctx: t.Context()}
	for {
		// What earlier ones held. They are dead, so nobody has to wait for a
		// deadline; but a server may have finished a claim for them after the first
		// look.
		got, err := f.Rescue(f.ctx, store.Rescue{Now: time.Now().Add(time.Hour), Limit: 10_000})
		f.must(err)
		var did [2]int
		var errs [2]error
		var wg sync.WaitGroup
		for i := range did {
			wg.Go(func() { did[i], errs[i] = f.workOff(fmt.Sprintf("victim %d", os.Getpid())) })
		}
		wg.Wait()
		f.must(errors.Join(errs[:]...))
		if len(got.Ended)+did[0]+did[1] == 0 {
			break
		}
	}
	f.must1(os.Stdout.WriteString("nothing left\n"))
}

// workOff completes what it can claim until there is nothing.
func (f *fixture) workOff(owner string) (did int, err error) {
	for {
		claimed, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: owner, Limit: 8, Accepted: true})
		if err != nil || len(claimed) == 0 {
			return did, err
		}
		did += len(claimed)
		ends := make([]store.EndAttempt, len(claimed))
		for i, c := range claimed {
			ends[i] = done(c)
			ends[i].Owner = owner
		}
		ended, err := f.EndAttempts(f.ctx, ends)
		if err != nil {
			return did, err
		}
		var told strings.Builder
		for _, e := range ended {
			if e.Err != nil {
				return did, e.Err
			}
			fmt.Fprintf(&told, "ended %s %d\n", e.ID, e.Attempt)
		}
		if _, err := os.Stdout.WriteString(told.String()); err != nil {
			return did, err
		}
		if _, err := io.ReadFull(os.Stdin, make([]byte, len(ended))); err != nil {
			return did, err
		}
	}
}
