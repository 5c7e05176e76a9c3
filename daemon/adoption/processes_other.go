//go:build !linux

package adoption

import (
	"github.com/shirou/gopsutil/v4/process"
)

// workerProcesses lists every process whose command line is one of a worker.
func workerProcesses() ([]proc, error) {
	pids, err := process.Pids()
	if err != nil {
		return nil, err
	}
	var out []proc
	for _, pid := range pids {
		if p, err := lookAt(int(pid)); err == nil && p.config != "" {
			out = append(out, p)
		}
	}
	return out, nil
}

// lookAt describes a process; errKernel, or errNoProcess also for one that has
// ended and was not waited for.
func lookAt(pid int) (proc, error) {
	p := proc{pid: pid, uid: -1}
	found, err := process.NewProcess(int32(pid)) //nolint:gosec // a process id
	if err != nil {
		return p, errNoProcess
	}
	if p.start, err = found.CreateTime(); err != nil {
		return p, errNoProcess
	}
	if status, err := found.Status(); err == nil && len(status) > 0 && status[0] == process.Zombie {
		return p, errNoProcess
	}
	if parent, err := found.Ppid(); err == nil {
		p.parent = int(parent)
	}
	if uids, err := found.Uids(); err == nil && len(uids) > 0 {
		p.uid = int(uids[0])
	}
	if p.argv, err = found.CmdlineSlice(); err != nil {
		return p, err // another user's
	}
	if pid == 0 || len(p.argv) == 0 {
		return p, errKernel
	}
	if config, runs := configOf(p.argv); runs {
		dir, err := found.Cwd()
		if err != nil {
			dir = ""
		}
		locate(&p, config, dir, "")
	}
	return p, nil
}

// startOf tells one process from a later one of the same number.
func startOf(pid int) (int64, error) {
	found, err := process.NewProcess(int32(pid)) //nolint:gosec // a process id
	if err != nil {
		return 0, errNoProcess
	}
	if status, err := found.Status(); err == nil && len(status) > 0 && status[0] == process.Zombie {
		return 0, errNoProcess
	}
	return found.CreateTime()
}

func parentOf(pid int) int {
	found, err := process.NewProcess(int32(pid)) //nolint:gosec // a process id
	if err != nil {
		return 0
	}
	parent, err := found.Ppid()
	if err != nil {
		return 0
	}
	return int(parent)
}
