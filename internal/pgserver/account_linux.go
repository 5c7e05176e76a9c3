package pgserver

import "syscall"

// dieWithParent shuts the server down when this process ends, however it ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
