package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// taskMain is a command task: `e2e-task task <name> <folder>`. It writes down
// what it does in <folder>/effects, one line at a time, and a task called
// "slow" waits until <folder>/gate exists.
func taskMain(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: e2e-task task <name> <folder>")
		return 2
	}
	name, folder := args[0], args[1]
	if _, err := io.ReadAll(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	id := fmt.Sprintf("%s %s %s", name, os.Getenv("PIPEDAI_PIPELINE_RUN_ID"), os.Getenv("PIPEDAI_ATTEMPT"))
	if err := effect(folder, "begin "+id); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if name == "slow" {
		if !waitForGate(folder) {
			fmt.Fprintln(os.Stderr, "the gate did not open")
			return 1
		}
	}
	if err := effect(folder, "end "+id); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"from": name})
	return 0
}

// waitForGate waits for the file the test creates. It speaks all the while, so
// that there are lines to lose: numbered, on both streams.
func waitForGate(folder string) bool {
	deadline := time.After(2 * patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, err := os.Stat(filepath.Join(folder, "gate")); err == nil {
			fmt.Fprintf(os.Stderr, "said %d lines\n", n-1)
			return true
		}
		fmt.Fprintf(os.Stderr, "line %d of the slow task\n", n)
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
}

// effect appends one line with one write, which concurrent tasks cannot mix.
func effect(folder, line string) error {
	file, err := os.OpenFile(filepath.Join(folder, "effects"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(line + "\n"); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// slowSet is a service of command tasks: first, then slow and quick beside each
// other, then join.
type slowSet struct {
	folder string
	file   string
}

// newSlowSet writes the tasks file. heartbeat is how often an attempt must
// show that it is alive; twice that without a sign, and the run is taken back.
func newSlowSet(t testing.TB, heartbeat string) *slowSet {
	t.Helper()
	s := &slowSet{folder: t.TempDir()}
	s.file = filepath.Join(s.folder, "slow.yaml")
	var tasks strings.Builder
	for _, task := range [][2]string{{"first", "slow, quick"}, {"slow", "join"}, {"quick", "join"}, {"join", ""}} {
		fmt.Fprintf(&tasks, "  - id: %s\n    command: [%q, task, %s, %q]\n    next: [%s]\n    timeout: 5m\n    retries: 3\n    heartbeat: %s\n",
			task[0], filepath.Join(bin, "e2e-task"), task[0], s.folder, task[1], heartbeat)
	}
	text := "service: slow-set\nversion: 1.0.0\ntasks:\n" + tasks.String()
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// open lets the slow task end.
func (s *slowSet) open(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, "gate"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// count says how many lines of the effects file start with these words.
func (s *slowSet) count(t testing.TB, words ...string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.folder, "effects"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, strings.Join(words, " ")+" ") {
			n++
		}
	}
	return n
}

// begun waits until the slow task of a run has begun.
func (s *slowSet) begun(t testing.TB, run string) {
	t.Helper()
	eventually(t, "the slow task to begin", func() bool { return s.count(t, "begin", "slow", run) > 0 })
}
