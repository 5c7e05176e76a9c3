//go:build unix

package manifest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// unprivileged makes cmd run as a user whom file modes bind.
func unprivileged(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}

func TestOpen_RefusesReadOnly(t *testing.T) {
	t.Parallel()
	// Under TMPDIR itself: an unprivileged child must be able to reach it.
	dir, err := os.MkdirTemp("", "manifest-readonly")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "manifest.db")
	open(t, path).Close()
	if os.Getuid() == 0 { // the child is another user, and a stranger's file is refused for that
		for _, p := range []string{dir, path} {
			if err := os.Chown(p, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	// The child's program must be reachable for it too.
	program := filepath.Join(dir+"-bin", "manifest.test")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(program)) })
	if err := os.WriteFile(program, []byte(read(t, os.Args[0])), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "MANIFEST_TEST_OPEN="+path)
	unprivileged(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
