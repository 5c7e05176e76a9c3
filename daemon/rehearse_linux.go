package daemon

import "syscall"

func tie(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
