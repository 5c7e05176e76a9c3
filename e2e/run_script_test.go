package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// checkout is a folder that looks to scripts/run.sh like a clone after
// `make build`.
type checkout struct {
	dir string
	env []string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	// Below bin, so that whatever the script leaves is found there.
	dir, err := os.MkdirTemp(bin, "checkout-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin", "scripts", "examples/pdf-processor/testdata"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A link has a path of its own, by which the script knows its processes.
	for _, name := range []string{"pipeweave", "pipedai-orchestrator", "pipedai-worker", "pdf-processor", "pdf-processor.yaml"} {
		if err := os.Link(filepath.Join(bin, name), filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"scripts/run.sh", "scripts/result.mjs", "examples/pdf-processor/testdata/sample.pdf", "examples/pdf-processor/testdata/expected.json"} {
		if err := copyFile(filepath.Join(root, name), filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &checkout{dir: dir, env: baseEnv(t.TempDir(), fmt.Sprint("PORT=", freePort(t)), fmt.Sprint("DASHBOARD_PORT=", freePort(t)))}
}

// script starts scripts/run.sh in a process group of its own, as a terminal
// would.
func (c *checkout) script(t *testing.T, mode string) *proc {
	t.Helper()
	cmd := exec.Command("bash", filepath.Join(c.dir, "scripts", "run.sh"), mode)
	cmd.Env = c.env
	cmd.Dir = c.dir
	return startCmd(t, cmd, "scripts/run.sh "+mode)
}

// interrupt is a Ctrl-C in the terminal: it reaches the whole group.
func interrupt(t *testing.T, p *proc) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

// nothingLeft wants no process of this checkout to be there any more.
func (c *checkout) nothingLeft(t *testing.T) {
	t.Helper()
	for _, p := range ours() {
		if strings.Contains(p.exe, c.dir) {
			t.Errorf("left behind: %d %s", p.pid, p.command)
		}
	}
}

func TestRunScript_Demo(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	for _, paired := range []string{"paired with code", "paired before"} {
		p := c.script(t, "demo")
		if code := p.wait(t); code != 0 {
			t.Fatalf("demo ended with exit code %d\n%s", code, p.out.String()+p.err.String())
		}
		for _, want := range []string{paired, "4 of 4 tasks", "summarize       completed", "words ", "tables "} {
			if !strings.Contains(p.out.String(), want) {
				t.Errorf("demo does not print %q:\n%s", want, p.out.String())
			}
		}
		c.nothingLeft(t)
	}
}

// Whenever a Ctrl-C comes, everything that was started ends. That is asked
// right after each line that the script prints, which is when it is busiest
// with the next step.
func TestRunScript_InterruptedAtAnyStep(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		after string
		code  int
	}{
		{"Starting", 130},
		{"control plane", 130},
		{"this host", 130},
		{"host daemon", 130},
		{"worker  ", 130},
		{"Running pdf-processor", 130},
		{"Result", 130},
		{"Press Ctrl-C to stop.", 0},
	} {
		t.Run(strings.TrimSpace(tc.after), func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			p := c.script(t, "run")
			p.says(t, tc.after)
			interrupt(t, p)
			if code := p.wait(t); code != tc.code && code != 0 {
				t.Errorf("exit code %d after a Ctrl-C, want %d", code, tc.code)
			}
			c.nothingLeft(t)
		})
	}
}

func TestRunScript_Terminated(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"control plane", "Press Ctrl-C to stop."} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			p := c.script(t, "run")
			p.says(t, after)
			p.kill(t, syscall.SIGTERM)
			if code := p.wait(t); code != 143 {
				t.Errorf("exit code %d after SIGTERM, want 143", code)
			}
			c.nothingLeft(t)
		})
	}
}

// Somebody who presses Ctrl-C twice does not want to wait for running tasks.
func TestRunScript_InterruptedTwice(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	p := c.script(t, "run")
	p.says(t, "Press Ctrl-C to stop.")
	interrupt(t, p)
	p.says(t, "Stopping")
	interrupt(t, p)
	p.wait(t)
	c.nothingLeft(t)
}

// In `make run | tee log` the same Ctrl-C ends tee, and then nobody reads what
// the script says about stopping.
func TestRunScript_InterruptedBehindAPipe(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	cmd := exec.Command("bash", "-c", "bash scripts/run.sh run | tee log")
	cmd.Env = c.env
	cmd.Dir = c.dir
	p := startCmd(t, cmd, "scripts/run.sh run | tee log")
	p.says(t, "Press Ctrl-C to stop.")
	interrupt(t, p)
	p.wait(t)
	c.nothingLeft(t)
}

// What a service manager does for the daemon elsewhere, the script does here.
func TestRunScript_StartsAKilledDaemonAgain(t *testing.T) {
	t.Parallel()
	c := newCheckout(t)
	p := c.script(t, "run")
	p.says(t, "Press Ctrl-C to stop.")
	daemon := c.pid(t, "pipedai-orchestrator")
	worker := c.pid(t, "pipedai-worker")
	if err := syscall.Kill(daemon, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.says(t, "starting it again")
	p.says(t, "Daemon   running")
	if now := c.pid(t, "pipedai-worker"); now != worker {
		t.Errorf("the worker's pid is %d, was %d: it should not have noticed", now, worker)
	}
	interrupt(t, p)
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	c.nothingLeft(t)
}

// pid is the process id of a program of this checkout.
func (c *checkout) pid(t *testing.T, program string) int {
	t.Helper()
	for _, p := range ours() {
		if p.exe == filepath.Join(c.dir, "bin", program) {
			return p.pid
		}
	}
	t.Fatalf("%s does not run", program)
	return 0
}
