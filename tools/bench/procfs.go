package main

import (
	"errors"
	"fmt"
	"os"
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
