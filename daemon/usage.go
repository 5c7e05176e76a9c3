package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"

	"pipedai/api"
)

// usageFor is how long what was measured is told again. Nothing measures by
// itself: a host that nobody looks at spends nothing on it.
const usageFor = 5 * time.Second

// usage is what a worker's processes take together.
type usage struct {
	memory int64   // bytes that are resident
	cpu    float64 // seconds, of processes that ended and were waited for, too
}

// meter measures what the workers take, when somebody asks.
type meter struct {
	mu   sync.Mutex
	at   time.Time
	tree map[int]usage // by the worker's process
}

// look returns what the process trees of leaders take, at most usageFor old. A
// process that is not among them is unknown.
func (m *meter) look(leaders []int) map[int]usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tree == nil || time.Since(m.at) > usageFor {
		m.tree, m.at = measure(leaders), time.Now()
	}
	return m.tree
}

// measureAll puts what workers take into their status.
func (h *host) measureAll(items []api.FusedWorker) {
	var leaders []int
	for _, w := range items {
		if w.Local != nil && w.Local.PID != nil {
			leaders = append(leaders, *w.Local.PID)
		}
	}
	tree := h.meter.look(leaders)
	for _, w := range items {
		if w.Local == nil || w.Local.PID == nil {
			continue
		}
		if u, known := tree[*w.Local.PID]; known {
			w.Local.MemoryBytes, w.Local.CPUSeconds = &u.memory, &u.cpu
		}
	}
}

// hostFacts measures the machine. What the system does not tell is left out.
func hostFacts(ctx context.Context, home string) api.HostFacts {
	out := api.HostFacts{CPUs: cpus()}
	if avg, err := load.AvgWithContext(ctx); err == nil {
		out.Load1 = &avg.Load1
	}
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		out.MemoryBytes, out.MemoryFreeBytes = int64(m.Total), int64(m.Available)
	}
	if d, err := disk.UsageWithContext(ctx, home); err == nil {
		out.DiskBytes, out.DiskFreeBytes = int64(d.Total), int64(d.Free)
	}
	return out
}
