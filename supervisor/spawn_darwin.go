package supervisor

import (
	"os"
	"syscall"

	"pipedai/manifest"
)

// startIn starts a process; macOS keeps none of the limits for a process that
// somebody else started.
func (l *osLauncher) startIn(program string, spec Spec, _ *manifest.Process, attr *os.ProcAttr) (*os.Process, cgroup, string, error) {
	attr.Sys = &syscall.SysProcAttr{Setsid: true}
	proc, err := os.StartProcess(program, append([]string{program}, spec.Args...), attr)
	return proc, cgroup{}, ignored(asked(spec.Limits), l.cgroups.why), err
}
