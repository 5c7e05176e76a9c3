package daemon

import (
	"bytes"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

func cpus() int { return runtime.NumCPU() }

// clockTick is USER_HZ, which Linux has fixed for programs on every
// architecture that Go runs on.
const clockTick = 100

// measure adds up the processes of each leader's session: a worker leads one,
// and whatever it starts stays in it unless it takes pains not to. One look
// through /proc serves all workers.
func measure(leaders []int) map[int]usage {
	out := make(map[int]usage, len(leaders))
	wanted := make(map[int]bool, len(leaders))
	for _, pid := range leaders {
		wanted[pid] = true
	}
	if len(wanted) == 0 {
		return out
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return out
	}
	defer func() { _ = proc.Close() }()
	names, _ := proc.Readdirnames(-1) // what can be read counts
	page := int64(os.Getpagesize())
	buf := make([]byte, 1024)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// Asking for the session costs a fiftieth of reading what a process
		// takes, and most processes are none of ours.
		session, err := unix.Getsid(pid)
		if err != nil || !wanted[session] {
			continue
		}
		session, u, ok := readStat("/proc/"+name+"/stat", buf, page)
		if ok && wanted[session] {
			sum := out[session]
			out[session] = usage{sum.memory + u.memory, sum.cpu + u.cpu}
		}
	}
	return out
}

// readStat reads the session, the resident memory and the processor time of a
// process. False: it is gone. The calls are bare ones: a file of package os is
// made ready for waiting, which here costs more than the reading.
func readStat(path string, buf []byte, page int64) (session int, u usage, ok bool) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, u, false
	}
	n, err := unix.Read(fd, buf)
	_ = unix.Close(fd)
	if err != nil {
		return 0, u, false
	}
	return parseStat(buf[:n], page)
}

// parseStat reads a line of /proc/<pid>/stat. The name of the program is in
// parentheses and may hold any character, so what follows the last one counts.
func parseStat(line []byte, page int64) (session int, u usage, ok bool) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return 0, u, false
	}
	fields := bytes.Fields(line[end+1:]) // the first is number 3 of proc(5)
	if len(fields) < 22 {
		return 0, u, false
	}
	number := func(i int) int64 {
		v, err := strconv.ParseInt(string(fields[i-3]), 10, 64)
		if err != nil {
			return 0
		}
		return v
	}
	ticks := number(14) + number(15) + number(16) + number(17)
	return int(number(6)), usage{memory: number(24) * page, cpu: float64(ticks) / clockTick}, true
}
