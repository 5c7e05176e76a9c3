package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipedai/internal/testkit"
)

// bin is the folder of the built programs.
var bin string

func TestMain(m *testing.M) {
	// This binary is also run for other work: as a command task of a test, under
	// another name, and as its own undertaker.
	if len(os.Args) > 1 && os.Args[1] == "task" {
		os.Exit(taskMain(os.Args[2:]))
	}
	if len(os.Args) == 3 && os.Args[1] == "undertaker" {
		os.Exit(undertake(os.Args[2]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pipedai-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Processes see the resolved path, and the check for left-over ones
	// compares with it.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bin = filepath.Join(dir, "bin")
	dismiss, err := hireUndertaker(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer dismiss()
	if err := buildPrograms(); err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		return 1
	}
	code := testkit.Main(m)
	if left := leftOver(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: processes were left behind:\n  %s\n", strings.Join(left, "\n  "))
		killLeftOver()
		code = max(code, 1)
	}
	return code
}

// buildPrograms builds what ships the way it ships. When the tests run with
// the race detector, the control plane and the daemon have it too: their
// packages are compiled for it already. The worker never links CGO.
func buildPrograms() error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	small := []string{"-trimpath", "-ldflags", "-s -w"}
	big := small
	if raceEnabled {
		big = []string{"-race", "-ldflags", "-s -w"}
	}
	for _, p := range []struct {
		name, pkg string
		flags     []string
		env       string
	}{
		{"pipeweave", "./cmd/pipeweave", big, ""},
		{"pipedai-orchestrator", "./cmd/pipedai-orchestrator", big, ""},
		{"pipedai-worker", "./cmd/pipedai-worker", small, "CGO_ENABLED=0"},
		{"pdf-processor", "./examples/pdf-processor", small, "CGO_ENABLED=0"},
		{"hostworker", "./e2e/testdata/hostworker", small, "CGO_ENABLED=0"},
	} {
		args := append([]string{"build", "-o", filepath.Join(bin, p.name)}, p.flags...)
		cmd := exec.Command("go", append(args, p.pkg)...)
		cmd.Dir = root
		cmd.Env = os.Environ()
		if p.env != "" {
			cmd.Env = append(cmd.Env, p.env)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", p.name, err, out)
		}
	}
	if err := copyFile(filepath.Join(root, "examples/pdf-processor/pdf-processor.yaml"), filepath.Join(bin, "pdf-processor.yaml"), 0o644); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return copyFile(self, filepath.Join(bin, "e2e-task"), 0o755)
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// process is a running process whose program lies in bin.
type process struct {
	pid     int
	exe     string
	command string
}

// ours lists the processes that run programs of bin, whoever started them.
func ours() []process {
	if runtime.GOOS == "linux" {
		return oursLinux()
	}
	out, err := exec.Command("ps", "-axo", "pid=,command=").Output()
	if err != nil {
		return nil
	}
	var found []process
	for line := range strings.Lines(string(out)) {
		var p process
		if _, err := fmt.Sscan(line, &p.pid, &p.exe); err == nil && strings.HasPrefix(p.exe, bin+"/") {
			p.command = strings.TrimSpace(line)
			found = append(found, p)
		}
	}
	return found
}

func oursLinux() []process {
	var found []process
	for _, pid := range pids() {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil || !strings.HasPrefix(exe, bin+"/") {
			continue
		}
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		found = append(found, process{
			pid: pid, exe: strings.TrimSuffix(exe, " (deleted)"),
			command: strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " ")),
		})
	}
	return found
}

// pids lists all processes of the machine. Tests look often: this reads one
// folder, where a pattern over /proc would read that of each process.
func pids() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var all []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	return all
}

func leftOver() []string {
	var out []string
	for _, p := range ours() {
		out = append(out, fmt.Sprintf("%d %s", p.pid, p.command))
	}
	return out
}

// hireUndertaker starts a process that outlives this one. Workers are made to
// survive whoever started them, so a test binary that is killed, or that go
// test ends when its time is up, could not take them along. The undertaker ends
// them as soon as this process is gone, however it went. dismiss waits for its
// end.
func hireUndertaker(dir string) (dismiss func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "undertaker", dir)
	// Not in the group that a Ctrl-C reaches.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = alive.Close()
		_ = cmd.Wait()
	}, nil
}

// undertake waits for the end of standard input, which comes with the end of
// the process that holds it, and clears up after that.
func undertake(dir string) int {
	_, _ = io.Copy(io.Discard, os.Stdin)
	bin = filepath.Join(dir, "bin")
	// A daemon that is still there may start a worker between the look and the
	// kill: look until nothing is found.
	for tries := 0; len(ours()) > 0 && tries < 100; tries++ {
		killLeftOver()
		time.Sleep(50 * time.Millisecond)
	}
	_ = os.RemoveAll(dir)
	return 0
}

func killLeftOver() {
	for _, p := range ours() {
		if proc, err := os.FindProcess(p.pid); err == nil {
			_ = proc.Kill()
		}
	}
}
