package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// procInfo is what the system tells about a process.
type procInfo struct {
	pid, parent, session int
	start                int64 // clock ticks since boot
	zombie               bool
}

// readBootID identifies this boot.
func readBootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data)), err
}

// statProcess returns errGone when there is no such process.
func statProcess(pid int) (procInfo, error) {
	fields, err := statFields(pid)
	if err != nil {
		return procInfo{}, err
	}
	p := procInfo{pid: pid, zombie: fields[0] == "Z" || fields[0] == "X"}
	var errs [3]error
	p.parent, errs[0] = strconv.Atoi(fields[1])
	p.session, errs[1] = strconv.Atoi(fields[3])
	p.start, errs[2] = strconv.ParseInt(fields[19], 10, 64)
	return p, errors.Join(errs[:]...)
}

// statFields is what stands in stat behind the name; errGone when there is no
// such process.
func statFields(pid int) ([]string, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	// The name, in parentheses, may hold anything; the fields follow the last.
	i := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[i+1:]))
	if i < 0 || len(fields) < 20 {
		return nil, fmt.Errorf("stat of process %d cannot be read", pid)
	}
	return fields, nil
}

// tick is the unit of procInfo.start; what programs see of it is the same on
// every machine.
const tick = time.Second / 100

// sinceStart is how long a process that began at start has run.
func sinceStart(start int64) (time.Duration, bool) {
	var now unix.Timespec
	if start <= 0 || unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0, false
	}
	return max(0, time.Duration(now.Nano())-time.Duration(start)*tick), true
}

// pids lists the processes that are there.
func pids() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	out := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

// listProcesses lists what is there; processes that end meanwhile are left out.
func listProcesses() ([]procInfo, error) {
	all, err := pids()
	if err != nil {
		return nil, err
	}
	var out []procInfo
	for _, pid := range all {
		p, err := statProcess(pid)
		if isTransient(err) {
			return nil, err // it may be the one that is looked for
		}
		if err == nil {
			out = append(out, p)
		}
	}
	return out, nil
}

// hasEnv tells whether the process was started with this entry ("K=v") in its
// environment. False when we may not look; a transient error when there is no
// room to, or nothing to see yet.
func hasEnv(pid int, entry string) (bool, error) {
	var data []byte
	for looks := 0; looks < 2 && len(data) == 0; looks++ { // the second when it just came
		var err error
		data, err = os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		if isTransient(err) {
			return false, err
		}
		if err != nil {
			return false, nil
		}
		if len(data) == 0 && execs(pid) {
			return false, fmt.Errorf("process %d is just becoming another program: %w", pid, unix.EAGAIN)
		}
	}
	for part := range bytes.SplitSeq(data, []byte{0}) {
		if string(part) == entry {
			return true, nil
		}
	}
	return false, nil
}

// execs tells whether a process is in the middle of execve(2): it has memory,
// and the kernel, which puts the environment there before, has not yet said
// where its code is. The fields of stat are counted as in proc_pid_stat(5).
func execs(pid int) bool {
	const vsize, startCode = 23 - 3, 26 - 3
	fields, err := statFields(pid)
	return err == nil && len(fields) > startCode && fields[vsize] != "0" && fields[startCode] == "0"
}

// lostFIFO opens the FIFO that p holds as descriptor fd although its name is
// gone.
func lostFIFO(p *manifest.Process, fd int) (int, error) {
	if now, err := statProcess(p.PID); err != nil || now.start != p.StartTime {
		return -1, errGone
	}
	return openFIFO(fmt.Sprintf("/proc/%d/fd/%d", p.PID, fd))
}

func closeOnExec() {
	// From 3 on; where the call is missing the kernel is older than 5.11.
	_ = unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
}
