package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// procInfo is what the system tells about a process.
type procInfo struct {
	pid, parent, session int
	start                int64 // microseconds since 1970
	zombie               bool
}

// sZomb is SZOMB of sys/proc.h.
const sZomb = 5

// readBootID identifies this boot.
func readBootID() (string, error) {
	return unix.Sysctl("kern.bootsessionuuid")
}

func toInfo(k *unix.KinfoProc) procInfo {
	pid := int(k.Proc.P_pid)
	session, err := unix.Getsid(pid)
	if err != nil {
		session = 0 // a zombie, or gone
	}
	return procInfo{
		pid: pid, parent: int(k.Eproc.Ppid), session: session,
		start:  k.Proc.P_starttime.Sec*1_000_000 + int64(k.Proc.P_starttime.Usec),
		zombie: k.Proc.P_stat == sZomb,
	}
}

// statProcess returns errGone when there is no such process.
func statProcess(pid int) (procInfo, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		if errors.Is(err, unix.EPERM) {
			return procInfo{}, err
		}
		return procInfo{}, errGone
	}
	return toInfo(k), nil
}

// sinceStart: macOS keeps the wall clock's time of a start only.
func sinceStart(int64) (time.Duration, bool) { return 0, false }

// listProcesses lists what is there.
func listProcesses() ([]procInfo, error) {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	out := make([]procInfo, 0, len(all))
	for i := range all {
		out = append(out, toInfo(&all[i]))
	}
	return out, nil
}

// hasEnv tells whether the process was started with this entry ("K=v") in its
// environment. False when we may not look; an error when there is no room to.
func hasEnv(pid int, entry string) (bool, error) {
	data, err := unix.SysctlRaw("kern.procargs2", pid)
	if isTransient(err) {
		return false, err
	}
	// Program path, arguments and environment follow each other, each ended by
	// a NUL; an argument that looks like the entry is as good.
	return bytes.Contains(data, append(append([]byte{0}, entry...), 0)), nil
}

func lostFIFO(p *manifest.Process, _ int) (int, error) {
	return -1, fmt.Errorf("FIFO of process %d was removed", p.PID)
}

func closeOnExec() {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return // Go's own descriptors are closed anyway
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}
