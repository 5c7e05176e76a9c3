package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// workerProgram is the bare name of the worker program.
const workerProgram = "pipedai-worker"

// FindWorkerProgram returns the absolute path of the worker program: the one
// that was named, else (named is empty or the program's bare name) the one
// beside this program, else the one on the PATH. The error says where it was
// looked for.
func FindWorkerProgram(named string) (string, error) {
	if named != "" && named != workerProgram {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("the worker program %s cannot be run: %w", named, err)
		}
		return filepath.Abs(path)
	}
	name := workerProgram
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	folder := "the folder of this program"
	if own, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(own); err == nil {
			own = real
		}
		folder = filepath.Dir(own)
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
