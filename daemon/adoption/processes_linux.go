package adoption

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// workerProcesses lists every process whose command line is one of a worker.
func workerProcesses() ([]proc, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }() // it was only read
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []proc
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		line, err := os.ReadFile("/proc/" + name + "/cmdline")
		if err != nil || !bytes.Contains(line, []byte("-config")) {
			continue
		}
		if p, err := lookAt(pid); err == nil && p.config != "" {
			out = append(out, p)
		}
	}
	return out, nil
}

// lookAt describes a process; errKernel, or errNoProcess also for one that has
// ended and was not waited for.
func lookAt(pid int) (proc, error) {
	folder := "/proc/" + strconv.Itoa(pid)
	p := proc{pid: pid, uid: -1}
	stat, err := statOf(pid)
	if err != nil {
		return p, err
	}
	p.parent, p.start = stat.parent, stat.start
	line, err := os.ReadFile(folder + "/cmdline")
	if err != nil {
		return p, errNoProcess
	}
	if len(line) == 0 {
		if stat.kernel {
			return p, errKernel
		}
		return p, errNoProcess
	}
	p.argv = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	p.uid = userOf(folder)
	p.unit = unitOf(folder)
	if config, found := configOf(p.argv); found {
		dir, err := os.Readlink(folder + "/cwd")
		if err != nil {
			dir = "" // another user's
		}
		locate(&p, config, dir, folder+"/root")
	}
	return p, nil
}

// userOf is the user that a process acts as. The owner of its folder would not
// do: that is root for one that may not be looked into.
func userOf(folder string) int {
	data, err := os.ReadFile(folder + "/status")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "Uid:" {
			if uid, err := strconv.Atoi(fields[2]); err == nil {
				return uid
			}
		}
	}
	return -1
}

// unitOf is systemd's unit of a process, by its control group.
func unitOf(folder string) string {
	data, err := os.ReadFile(folder + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		_, path, found := strings.Cut(strings.TrimSpace(line), "::")
		if _, after, old := strings.Cut(line, ":name=systemd:"); old {
			path, found = strings.TrimSpace(after), true
		}
		if !found {
			continue
		}
		parts := strings.Split(path, "/")
		for i := len(parts) - 1; i >= 0; i-- {
			if strings.HasSuffix(parts[i], ".service") {
				return parts[i]
			}
		}
	}
	return ""
}

type procStat struct {
	parent int
	start  int64
	kernel bool
}

func statOf(pid int) (procStat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return procStat{}, errNoProcess
	}
	if err != nil {
		return procStat{}, err
	}
	// The name, in parentheses, may hold anything; the fields follow the last.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return procStat{}, errNoProcess
	}
	var out procStat
	out.parent, _ = strconv.Atoi(fields[1])
	out.start, _ = strconv.ParseInt(fields[19], 10, 64)
	const kernelThread = 0x00200000 // PF_KTHREAD
	flags, _ := strconv.ParseInt(fields[6], 10, 64)
	out.kernel = flags&kernelThread != 0
	return out, nil
}

// startOf tells one process from a later one of the same number.
func startOf(pid int) (int64, error) {
	stat, err := statOf(pid)
	return stat.start, err
}

func parentOf(pid int) int {
	stat, err := statOf(pid)
	if err != nil {
		return 0
	}
	return stat.parent
}
