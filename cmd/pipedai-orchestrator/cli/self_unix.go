//go:build unix

package cli

import (
	"os"
	"os/exec"
	"syscall"

	"pipedai/daemon/osservice"
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

// asUser has a program run as somebody, with that person's home.
func asUser(cmd *exec.Cmd, a osservice.Account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.UID, Gid: a.GID}}
	cmd.Env = append(os.Environ(), "HOME="+a.Home, "USER="+a.Name, "LOGNAME="+a.Name)
	cmd.Dir = "/"
}
