package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The promise of this file: whatever part is killed in the middle of a run, the
// run completes, each task exactly once.

// crash is a paired host with a run whose slow task is in the middle of its
// work.
type crash struct {
	plane *plane
	host  *host
	set   *slowSet
	run   string
	pid   int // of the worker
}

func newCrash(t *testing.T, database, heartbeat string) *crash {
	t.Helper()
	c := &crash{plane: startPlane(t, database), host: newHost(t), set: newSlowSet(t, heartbeat)}
	c.host.pair(t, c.plane, c.set.file)
	c.host.start(t)
	c.plane.ready(t, "slow-set")
	c.pid = c.host.pid(t)
	c.run = c.plane.trigger(t, "slow-set", map[string]any{})
	c.set.begun(t, c.run)
	// The other branch is done and reported, so that what happens next can only
	// concern the slow task.
	eventually(t, "the quick task to be completed", func() bool {
		for _, task := range c.plane.run(t, c.run).Tasks {
			if task.TaskID == "quick" {
				return task.Status == "completed"
			}
		}
		return false
	})
	return c
}

// finish opens the gate and wants the run to complete, with every task having
// completed once and had its effect once.
func (c *crash) finish(t *testing.T) {
	t.Helper()
	c.set.open(t)
	tasks := c.plane.completed(t, c.run)
	for _, task := range []string{"first", "slow", "quick", "join"} {
		if tasks[task].Status != "completed" {
			t.Errorf("task %s is %q in the completed run", task, tasks[task].Status)
		}
		if n := c.set.count(t, "end", task, c.run); n != 1 {
			t.Errorf("task %s had its effect %d times, want once", task, n)
		}
	}
	if len(tasks) != 4 {
		t.Errorf("the run has %d tasks, want 4", len(tasks))
	}
}

// undisturbed wants the slow task to have been begun once: nothing was taken
// back and done again.
func (c *crash) undisturbed(t *testing.T) {
	t.Helper()
	if n := c.set.count(t, "begin", "slow", c.run); n != 1 {
		t.Errorf("the slow task was begun %d times, want once", n)
	}
	if pid := c.host.pid(t); pid != c.pid {
		t.Errorf("the worker's pid is %d, was %d: it should not have noticed", pid, c.pid)
	}
}

func TestKill_DaemonAndTheWorkerDoesNotNotice(t *testing.T) {
	t.Parallel()
	c := newCrash(t, "", "30s")
	c.host.proc.kill(t, syscall.SIGKILL)
	if !alive(c.pid) {
		t.Fatal("the worker died with its daemon")
	}
	// Work ends while nobody watches: the run must not need the daemon.
	c.finish(t)
	if !alive(c.pid) {
		t.Fatal("the worker ended while its daemon was away")
	}
	c.host.start(t)
	c.undisturbed(t)
	if w := c.host.worker(t); !w.Local.Reattached {
		t.Error("the daemon does not say that it took the worker up again")
	}
	assertNoLineLost(t, c.host)
	c.host.proc.stop(t)
	eventually(t, "the worker to end with the service", func() bool { return !alive(c.pid) })
}

// assertNoLineLost reads the numbered lines of the slow task back from the
// worker's log: all of them, in order, none twice, up to the number it said.
func assertNoLineLost(t *testing.T, h *host) {
	t.Helper()
	var log string
	eventually(t, "the last line of the slow task in the worker's log", func() bool {
		log = h.log(t)
		return strings.Contains(log, "said ")
	})
	said := regexp.MustCompile(`said (\d+) lines`).FindStringSubmatch(log)
	if said == nil {
		t.Fatal("the worker's log lacks the count of lines")
	}
	want, err := strconv.Atoi(said[1])
	if err != nil {
		t.Fatal(err)
	}
	next := 1
	for _, found := range regexp.MustCompile(`line (\d+) of the slow task`).FindAllStringSubmatch(log, -1) {
		if found[1] != fmt.Sprint(next) {
			t.Fatalf("line %s follows line %d in the worker's log", found[1], next-1)
		}
		next++
	}
	if next-1 != want {
		t.Errorf("the log has %d lines of the slow task, it said %d", next-1, want)
	}
}

func TestKill_WorkerAndTheTaskIsDoneAgain(t *testing.T) {
	t.Parallel()
	c := newCrash(t, "", "2s")
	if err := syscall.Kill(c.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var pid int
	eventually(t, "a new worker process", func() bool {
		w := c.host.worker(t)
		if w.Local == nil || w.Local.PID == nil || w.Local.State != "running" {
			return false
		}
		pid = *w.Local.PID
		return pid != c.pid
	})
	eventually(t, "the slow task to begin again", func() bool { return c.set.count(t, "begin", "slow", c.run) == 2 })
	c.finish(t)
	if w := c.host.worker(t); w.Local.TotalRestarts != 1 {
		t.Errorf("the daemon counts %d restarts, want 1", w.Local.TotalRestarts)
	}
}

func TestKill_EngineAndTheRunGoesOnFromTheDatabase(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "postgres"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			database := ""
			if backend == "postgres" {
				database = postgres(t)
			}
			c := newCrash(t, database, "30s")
			c.plane.proc.kill(t, syscall.SIGKILL)
			c.plane.start(t)
			c.finish(t)
			c.undisturbed(t)
		})
	}
}

// The report of a finished task must survive that nobody is there to take it.
func TestKill_EngineAndTheReportWaitsForTheNext(t *testing.T) {
	t.Parallel()
	c := newCrash(t, "", "30s")
	c.plane.proc.kill(t, syscall.SIGKILL)
	c.set.open(t)
	eventually(t, "the slow task to end", func() bool { return c.set.count(t, "end", "slow", c.run) == 1 })
	// The worker has nobody to tell for a while.
	<-time.After(time.Second)
	c.plane.start(t)
	c.finish(t)
	c.undisturbed(t)
}
