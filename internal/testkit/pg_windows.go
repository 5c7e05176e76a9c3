package testkit

import (
	"os"
	"syscall"
)

type account struct{}

func serverUser() (account, error)         { return account{}, nil }
func (account) own(string) error           { return nil }
func (account) attr() *syscall.SysProcAttr { return nil }
func interruptServer(p *os.Process) error  { return p.Kill() }
