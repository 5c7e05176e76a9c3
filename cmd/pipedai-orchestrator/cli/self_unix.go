//go:build unix

package cli

import (
	"context"
	"os"
	"os/exec"
	"syscall"

	"pipedai/daemon/osservice"
)

// becomes says that a process can become another program here.
const becomes = true

// becomeProgram makes this process run a program: same pid, same terminal, same
// children. It returns only when it cannot.
func becomeProgram(_ context.Context, path string, args []string, env ...string) (int, error) {
	//nolint:gosec // the installed program, or one whose digest was checked
	return 0, syscall.Exec(path, append([]string{os.Args[0]}, args...), append(os.Environ(), env...))
}

// tied is ctx: a process that became another program is still the same one.
func tied(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }

// asUser has a program run as somebody, with that person's home.
func asUser(cmd *exec.Cmd, a osservice.Account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.UID, Gid: a.GID}}
	cmd.Env = append(os.Environ(), "HOME="+a.Home, "USER="+a.Name, "LOGNAME="+a.Name)
	cmd.Dir = "/"
}
