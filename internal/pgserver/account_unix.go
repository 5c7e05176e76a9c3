//go:build unix

package pgserver

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is who the server runs as: PostgreSQL refuses to run as root.
type account struct {
	credential *syscall.Credential // nil: ourselves
}

func serverUser() (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return account{}, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, err
	}
	return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

func (a account) own(dir string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(dir, int(a.credential.Uid), int(a.credential.Gid))
}

func (a account) attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential}
}

// stopSignal asks the server to end in one of its own ways.
func stopSignal(p *os.Process, how Shutdown) error {
	if how == Fast {
		return p.Signal(syscall.SIGINT)
	}
	return p.Signal(syscall.SIGQUIT)
}
