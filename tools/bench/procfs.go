package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What Linux says about processes and about the machine. Elsewhere these
// return errors and the figures are left out.

// ticks is the unit of times in /proc: Linux has shown a hundred a second to
// programs for as long as there is /proc.
const ticks = 100

// cpuTime is the processor time a process used so far.
func cpuTime(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// After the name, which may hold anything, in parentheses.
	_, rest, found := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 13 {
		return 0, errors.New("stat: not as expected")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks, errors.Join(err1, err2)
}

// treeTime is the processor time of a process and of its children, those that
// were waited for included.
func treeTime(pid int) (time.Duration, error) {
	var sum time.Duration
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return 0, errors.Join(err, errors.New("no processes are shown in /proc"))
	}
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(rest)
		self := filepath.Base(filepath.Dir(name)) == strconv.Itoa(pid)
		if len(fields) < 15 || !self && fields[1] != strconv.Itoa(pid) {
			continue
		}
		for _, i := range []int{11, 12, 13, 14} {
			n, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * time.Second / ticks
		}
	}
	return sum, nil
}

// memory is a line of /proc/PID/status in MB: VmRSS now, VmHWM at most.
func memory(pid int, line string) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for text := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(text, line+":"); found {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("status has no %s", line)
}

// machineTimes are the shares of the machine's processors so far, in ticks.
type machineTimes struct{ total, idle, stolen float64 }

func readMachineTimes() (machineTimes, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineTimes{}, err
	}
	fields := strings.Fields(strings.SplitN(string(data), "\n", 2)[0])
	var m machineTimes
	for i, field := range fields[1:] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return m, err
		}
		if i < 8 { // guest times are counted in user times already
			m.total += n
		}
		switch i {
		case 3, 4:
			m.idle += n
		case 7:
			m.stolen = n
		}
	}
	return m, nil
}

// load is the average number of runnable processes of the last minute.
func load() (float64, error) {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.Fields(string(data))[0], 64)
}
