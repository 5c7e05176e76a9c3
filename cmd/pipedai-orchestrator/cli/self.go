package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ownProgram is the absolute path of this very program. It is the name it was
// started by, if that still leads here: a link that is moved to another version
// then moves what is installed, too. Otherwise it is the file itself.
func ownProgram() (string, error) {
	real, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	named, err := exec.LookPath(os.Args[0])
	if err != nil {
		return real, nil //nolint:nilerr // started by a name that is none any more
	}
	if named, err = filepath.Abs(named); err != nil {
		return real, nil //nolint:nilerr // the folder we were started in is gone
	}
	a, errA := os.Stat(real)
	b, errB := os.Stat(named)
	// A program that was replaced while it ran has no file any more; then the
	// name leads to what replaced it.
	if errB == nil && (errA != nil || os.SameFile(a, b)) {
		return named, nil
	}
	return real, nil
}
