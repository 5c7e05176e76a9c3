package pgserver

import (
	"os"
	"syscall"
)

type account struct{}

func serverUser() (account, error)         { return account{}, nil }
func (account) own(string) error           { return nil }
func (account) attr() *syscall.SysProcAttr { return nil }

func stopSignal(p *os.Process, _ Shutdown) error { return p.Kill() }
