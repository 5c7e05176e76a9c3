package supervisor

import (
	"slices"
	"strconv"
	"strings"

	"pipedai/manifest"
)

// Limits are what a worker with everything it starts may use.
type Limits = manifest.Limits

// limitNames are the limits as people write them, and the controller of Linux
// that keeps each; "" where it is not one of a control group.
const (
	limitMemory = "memory"
	limitCPU    = "cpu"
	limitPIDs   = "pids"
	limitNoFile = "nofile"
)

// asked lists the limits that l sets.
func asked(l Limits) (names []string) {
	for _, one := range []struct {
		name string
		set  bool
	}{{limitMemory, l.MemoryBytes > 0}, {limitCPU, l.CPU > 0}, {limitPIDs, l.PIDs > 0}, {limitNoFile, l.NoFile > 0}} {
		if one.set {
			names = append(names, one.name)
		}
	}
	return names
}

// ignored words which limits are not kept and why; "" when there is none.
func ignored(names []string, why string) string {
	if len(names) == 0 {
		return ""
	}
	return "not limited here: " + strings.Join(names, ", ") + " (" + why + ")"
}

// limitFile is one file of a control group and what is written to it.
type limitFile struct{ limit, name, value string }

// cpuPeriod is the span, in microseconds, over which the share of processors
// is kept.
const cpuPeriod = 100_000

// limitFiles says how limits are written for cgroup v2.
func limitFiles(l Limits) (files []limitFile) {
	if l.MemoryBytes > 0 {
		files = append(files,
			limitFile{limitMemory, "memory.max", strconv.FormatInt(l.MemoryBytes, 10)},
			// Half a worker left by the kernel is worse than none: it restarts whole.
			limitFile{limitMemory, "memory.oom.group", "1"})
	}
	if l.CPU > 0 {
		quota := max(int64(l.CPU*cpuPeriod+0.5), 1000) // the kernel takes no less
		files = append(files, limitFile{limitCPU, "cpu.max", strconv.FormatInt(quota, 10) + " " + strconv.Itoa(cpuPeriod)})
	}
	if l.PIDs > 0 {
		files = append(files, limitFile{limitPIDs, "pids.max", strconv.FormatInt(l.PIDs, 10)})
	}
	return files
}

// notIn lists the names that are not among have.
func notIn(names, have []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(have, n) })
}
