package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"pipedai/api"
)

// FindWorkerProgram returns the absolute path of the worker program: the one
// that was named, else (named is empty or the program's bare name) the one
// beside this program or beside one of others, else the one on the PATH. The
// error says where it was looked for.
func FindWorkerProgram(named string, others ...string) (string, error) {
	if named != "" && named != api.ProgramWorker {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("the worker program %s cannot be run: %w", named, err)
		}
		return filepath.Abs(path)
	}
	name := api.ProgramWorker
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	folder := "the folder of this program"
	if own, err := os.Executable(); err == nil {
		others = append(others, own)
	}
	for _, other := range slices.Backward(others) {
		if real, err := filepath.EvalSymlinks(other); err == nil {
			other = real
		}
		folder = filepath.Dir(other)
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s was found neither in %s nor on the PATH", name, folder)
	}
	return filepath.Abs(path)
}

// findWorkerProgram is FindWorkerProgram for the workers of this host: an upgrade
// of the daemon does not take the worker program along.
func (h *host) findWorkerProgram(named string) (string, error) {
	if h.o.Origin.Program == "" {
		return FindWorkerProgram(named)
	}
	return FindWorkerProgram(named, h.o.Origin.Program)
}
