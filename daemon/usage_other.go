//go:build !linux

package daemon

import (
	"runtime"

	"github.com/shirou/gopsutil/v4/process"
)

func cpus() int { return runtime.NumCPU() }

// measure adds up each leader and its descendants. One look at all processes
// tells who is whose child.
func measure(leaders []int) map[int]usage {
	out := make(map[int]usage, len(leaders))
	if len(leaders) == 0 {
		return out
	}
	all, err := process.Processes()
	if err != nil {
		return out
	}
	children := map[int32][]*process.Process{}
	byPID := map[int32]*process.Process{}
	for _, p := range all {
		byPID[p.Pid] = p
		if parent, err := p.Ppid(); err == nil && parent != p.Pid {
			children[parent] = append(children[parent], p)
		}
	}
	for _, pid := range leaders {
		leader := byPID[int32(pid)] //nolint:gosec // process ids fit
		if leader == nil {
			continue
		}
		var sum usage
		seen := map[int32]bool{}
		for left := []*process.Process{leader}; len(left) > 0; {
			p := left[0]
			left = left[1:]
			if seen[p.Pid] {
				continue
			}
			seen[p.Pid] = true
			left = append(left, children[p.Pid]...)
			if m, err := p.MemoryInfo(); err == nil {
				sum.memory += int64(m.RSS) //nolint:gosec // no process has more
			}
			if t, err := p.Times(); err == nil {
				sum.cpu += t.User + t.System
			}
		}
		out[pid] = sum
	}
	return out
}
