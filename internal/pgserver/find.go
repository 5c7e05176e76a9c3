package pgserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// postgresBin finds the newest installed server.
func postgresBin() (string, error) {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",            // Debian, Ubuntu
		"/usr/pgsql-*/bin",                     // Fedora, RHEL
		"/opt/homebrew/opt/postgresql@*/bin",   // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",      // Homebrew on Intel
		"/Applications/Postgres.app/*/*/*/bin", // Postgres.app
	} {
		found, _ := filepath.Glob(pattern) // only a bad pattern fails
		dirs = append(dirs, found...)
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if has(dir, "initdb") && has(dir, "postgres") {
			return dir, nil
		}
	}
	install := "sudo apt-get install -y postgresql"
	if runtime.GOOS == "darwin" {
		install = "brew install postgresql@17"
	}
	return "", fmt.Errorf("no PostgreSQL server is installed; one is needed: %s", install)
}

func has(dir, program string) bool {
	info, err := os.Stat(filepath.Join(dir, program))
	return err == nil && !info.IsDir()
}

// version is the number in a folder's path.
func version(dir string) int {
	digits := strings.FieldsFunc(dir, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(digits[0])
	return n
}
