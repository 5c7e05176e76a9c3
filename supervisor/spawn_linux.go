package supervisor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// startIn starts a process in a control group of its own where there are any,
// and limited. What could not be limited is worded.
func (l *osLauncher) startIn(program string, spec Spec, p *manifest.Process, attr *os.ProcAttr) (proc *os.Process, group cgroup, notes string, err error) {
	attr.Sys = &syscall.SysProcAttr{Setsid: true}
	unset := notIn(asked(spec.Limits), []string{limitNoFile}) // until a group keeps them
	why := l.cgroups.why
	if p.Cgroup != "" {
		var fd int
		group, unset, why, err = l.cgroups.create(p.Cgroup, spec.Limits)
		if err == nil {
			fd, err = unix.Open(p.Cgroup, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		if err == nil {
			attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
			defer unix.Close(fd)
		} else {
			l.log.Warn("make control group; the worker is started without", "worker", p.ID, "error", err)
			group.remove(l.log)
			group, unset, why, p.Cgroup = cgroup{}, notIn(asked(spec.Limits), []string{limitNoFile}), cause(err).Error(), ""
		}
	}
	argv := append([]string{program}, spec.Args...)
	proc, err = os.StartProcess(program, argv, attr)
	if err != nil && attr.Sys.UseCgroupFD && !isTransient(err) {
		// The kernel (before 5.7) or a sandbox may not allow it; the program
		// itself may be at fault as well, and then the second try tells.
		attr.Sys.UseCgroupFD = false
		if proc, err = os.StartProcess(program, argv, attr); err == nil {
			group.remove(l.log)
			group, unset, why, p.Cgroup = cgroup{}, notIn(asked(spec.Limits), []string{limitNoFile}), "the kernel starts no process in a control group", ""
		}
	}
	if err != nil {
		group.remove(l.log)
		return nil, cgroup{}, "", err
	}
	if n := spec.Limits.NoFile; n > 0 {
		limit := unix.Rlimit{Cur: uint64(n), Max: uint64(n)}
		if err := unix.Prlimit(proc.Pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
			l.log.Warn("limit open files", "worker", p.ID, "error", err)
			unset = append(unset, limitNoFile)
			if why == "" {
				why = err.Error()
			}
		}
	}
	return proc, group, ignored(unset, why), nil
}
