package supervisor

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// markerEnv is set in every worker process to its FIFO path without the
// ending, which is unique among homes, workers and generations. A process
// whose pid a killed daemon could not record any more is found by it, and so
// are its leftovers.
const markerEnv = "PIPEDAI_GENERATION"

// osLauncher makes real processes.
type osLauncher struct {
	boot  string
	find  func(program string) (string, error)
	log   *slog.Logger
	slots chan struct{} // as many as may be started at a time
	parts               // of the system it runs on
}

var _ launcher = (*osLauncher)(nil)

func newLauncher(log *slog.Logger, find func(string) (string, error), cgroup string) *osLauncher {
	if find == nil {
		find = exec.LookPath
	}
	boot, err := readBootID()
	if err != nil {
		// What we find again is then proved to be ours by its marker alone.
		log.Error("read boot id", "error", err)
		boot = ""
	}
	return &osLauncher{boot: boot, find: find, log: log, slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), parts: newParts(cgroup)}
}

// marker is the environment entry of the generation whose stdout is fifoOut.
func marker(fifoOut string) string {
	return markerEnv + "=" + strings.TrimSuffix(fifoOut, ".out")
}

// Environment is the daemon's, with extra winning over it, and a later entry
// over an earlier one. An entry without "=" takes the variable out.
func Environment(extra ...string) []string {
	env := os.Environ() // a copy
	last := make(map[string]int, len(extra))
	for i, entry := range extra {
		name, _, _ := strings.Cut(entry, "=")
		last[name] = i
	}
	env = slices.DeleteFunc(env, func(have string) bool {
		name, _, _ := strings.Cut(have, "=")
		_, replaced := last[name]
		return replaced
	})
	for i, entry := range extra {
		if name, _, set := strings.Cut(entry, "="); set && last[name] == i {
			env = append(env, entry)
		}
	}
	return env
}

// lookup finds the program, as an absolute path: Spec.Dir must not change what
// it means.
func (l *osLauncher) lookup(program string) (string, error) {
	path, err := l.find(program)
	if err != nil {
		return "", err // names the program and says why
	}
	return filepath.Abs(path)
}
