//go:build unix

package cli

import (
	"os"
	"syscall"
)

// replaceProgram makes this process run the program anew: same pid, same
// terminal, same children.
func replaceProgram(args []string) (int, error) {
	path, err := ownProgram()
	if err != nil {
		return 0, err
	}
	return 0, syscall.Exec(path, append([]string{path}, args...), os.Environ())
}
