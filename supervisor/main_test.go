//go:build unix

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pipedai/manifest"
)

// childEnv makes the test binary behave as a worker, or as a daemon, instead
// of running tests.
const childEnv = "SUPERVISOR_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		os.Exit(child(strings.Fields(role)))
	}
	goleak.VerifyTestMain(m)
}

// child plays one role; its arguments follow the role's name.
func child(role []string) int {
	arg := func(i int) string { return role[i] }
	number := func(i int) int {
		n, err := strconv.Atoi(role[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	switch arg(0) {
	case "exit":
		return number(1)
	case "sleep":
		wait := make(chan os.Signal, 1)
		signal.Notify(wait, syscall.SIGTERM)
		fmt.Println("up")
		<-wait
		return 0
	case "slow-stop": // takes a while to stop
		wait := make(chan os.Signal, 1)
		signal.Notify(wait, syscall.SIGTERM)
		fmt.Println("up")
		<-wait
		fmt.Println("stopping")
		time.Sleep(time.Duration(number(1)) * time.Millisecond)
		return 0
	case "impatient": // finishes when asked once and the file is there; ends at once when asked again
		asked := make(chan os.Signal, 2)
		signal.Notify(asked, syscall.SIGTERM)
		fmt.Println("up")
		<-asked
		fmt.Println("asked")
		for {
			select {
			case <-asked:
				return 9
			case <-time.After(5 * time.Millisecond):
			}
			if _, err := os.Stat(role[1]); err == nil {
				return 0
			}
		}
	case "deaf": // ignores SIGTERM, with a child that does the same
		signal.Ignore(syscall.SIGTERM)
		if len(role) == 1 {
			cmd := self("deaf inner")
			if err := cmd.Start(); err != nil {
				return 1
			}
			fmt.Println("inner", cmd.Process.Pid)
		}
		for {
			time.Sleep(time.Hour)
		}
	case "parent": // prints, and keeps a child that holds the output open
		cmd := self("sleep")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			return 1
		}
		fmt.Println("child", cmd.Process.Pid)
		for i := 0; ; i++ {
			time.Sleep(50 * time.Millisecond)
			fmt.Println("tick", i)
		}
	case "leave": // ends and leaves a grandchild that holds the output open
		cmd := self("sleep")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: arg(1) == "setsid"}
		if err := cmd.Start(); err != nil {
			return 1
		}
		fmt.Println("left", cmd.Process.Pid)
		return 0
	case "scatter": // ends and leaves a child in a group of its own, without the marker
		cmd := self("sleep")
		cmd.Env = []string{childEnv + "=sleep"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			return 1
		}
		fmt.Println("left", cmd.Process.Pid)
		return 0
	case "flood":
		for i := range number(1) {
			fmt.Printf("line %06d %s\n", i, strings.Repeat("x", i%97))
		}
		return 0
	case "count": // numbered lines for ever, some of them in two writes
		for i := 0; ; i++ {
			line := fmt.Sprintf("n %08d\n", i)
			out := io.Writer(os.Stdout)
			if i%3 == 0 {
				out = os.Stderr
			}
			half := i % len(line)
			if _, err := io.WriteString(out, line[:half]); err != nil {
				return 3
			}
			if _, err := io.WriteString(out, line[half:]); err != nil {
				return 3
			}
			if i%50 == 0 { // in bursts, so that a reader is always busy
				time.Sleep(time.Millisecond)
			}
		}
	case "lines":
		return floodLines(number(1), number(2))
	case "odd": // binary, long and unfinished lines
		os.Stdout.WriteString("nul\x00 esc\x1b[31m bad\xff\r\n\n")
		os.Stdout.WriteString(strings.Repeat("é", 10000) + "\n")
		os.Stderr.WriteString("no line end")
		return 0
	case "fds": // names its open descriptors
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 1
		}
		for _, n := range names {
			to, _ := os.Readlink("/proc/self/fd/" + n.Name())
			fmt.Println("fd", n.Name(), to)
		}
		return 0
	case "daemon": // supervises one worker until it is killed
		return daemon(arg(1), strings.Join(role[2:], " "))
	}
	return 99
}

func daemon(dir, role string) int {
	ctx := context.Background()
	m, err := manifest.Open(ctx, filepath.Join(dir, "manifest.db"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	o := testOptions(dir, m)
	if seed := os.Getenv(killEnv); seed != "" {
		o.LogMaxBytes = 100_000 // often rotated
		o.LogBackups = 500
		o.onStep = killAtSomeStep(seed)
	}
	s := New(o)
	go func() {
		if err := s.Reconcile(ctx, []Want{{Spec: spec("w1", role), Running: true}}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
	if err := s.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

// killEnv is a seed: the daemon kills itself at some step of taking output.
const killEnv = "SUPERVISOR_TEST_KILL"

func killAtSomeStep(seed string) func(string) {
	number, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		panic(err)
	}
	var left atomic.Int64
	left.Store(1 + rand.New(rand.NewPCG(number, 1)).Int64N(60))
	return func(step string) {
		if left.Add(-1) == 0 {
			fmt.Fprintln(os.Stderr, step)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // not one instruction more
		}
	}
}

// self is the test binary in a role.
func self(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	return cmd
}

func spec(id, role string) Spec {
	return Spec{ID: id, Program: os.Args[0], Env: []string{childEnv + "=" + role}, StopGrace: 10 * time.Second,
		Policy: Policy{Backoff: []time.Duration{20 * time.Millisecond}}}
}

func testOptions(dir string, records Records) Options {
	return Options{Records: records, LogBackups: 100, LogDir: filepath.Join(dir, "logs"), FIFODir: filepath.Join(dir, "fifo"),
		Log: slog.New(slog.DiscardHandler)}
}

// rig is a Supervisor over a real manifest and real processes.
type rig struct {
	*Supervisor
	t       testing.TB
	dir     string
	m       *manifest.Manifest
	changed chan struct{} // something changed
	end     func()        // detaches
}

func newRig(t testing.TB, dir string, change func(*Options)) *rig {
	t.Helper()
	m, err := manifest.Open(t.Context(), filepath.Join(dir, "manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, m: m, changed: make(chan struct{}, 1)}
	o := testOptions(dir, m)
	o.OnChange = func(string) {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
	if change != nil {
		change(&o)
	}
	r.Supervisor = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	ended := false
	r.end = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("close manifest: %v", err)
		}
	}
	t.Cleanup(func() {
		if !ended {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := r.StopAll(ctx); err != nil {
				t.Errorf("stop all: %v", err)
			}
		}
		r.end()
	})
	return r
}

func (r *rig) want(want ...Want) {
	r.t.Helper()
	if err := r.Reconcile(r.t.Context(), want); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) up(id, role string) {
	r.t.Helper()
	r.want(Want{Spec: spec(id, role), Running: true})
}

// until waits for a status that ok likes.
func (r *rig) until(id, what string, ok func(Status) bool) Status {
	r.t.Helper()
	deadline := time.After(90 * time.Second)      // a busy machine takes its time
	poll := time.NewTicker(20 * time.Millisecond) // several may wait for one signal
	defer poll.Stop()
	for {
		st, _ := r.Status(id)
		if ok(st) {
			return st
		}
		select {
		case <-r.changed:
		case <-poll.C:
		case <-deadline:
			r.t.Fatalf("%s: not %s in time: %+v", id, what, st)
		}
	}
}

func (r *rig) running(id string) Status {
	r.t.Helper()
	return r.until(id, "running", func(s Status) bool { return s.State == Running })
}

// lines returns the texts of the log, once there are at least n.
func (r *rig) lines(id string, n int) []string {
	r.t.Helper()
	var texts []string
	eventually(r.t, fmt.Sprintf("%d lines of %s", n, id), func() bool {
		texts = texts[:0]
		for _, l := range linesOf(r.t, r.logPath(id), 1<<20) {
			texts = append(texts, l.Text)
		}
		return len(texts) >= n
	})
	return texts
}

// eventually polls for what real processes do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(90 * time.Second) // a busy machine takes its time
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// alive tells whether pid is a process that was not yet ended.
func alive(pid int) bool {
	p, err := statProcess(pid)
	return !errors.Is(err, errGone) && !p.zombie
}

// pidIn reads the pid that a role told with word.
func pidIn(t testing.TB, lines []string, word string) int {
	t.Helper()
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, word+" "); ok {
			pid, err := strconv.Atoi(rest)
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no pid after %q in %q", word, lines)
	return 0
}
