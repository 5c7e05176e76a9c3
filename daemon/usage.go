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

// What is told now is measured when somebody asks; see usagelog.go for what is
// kept of it.
const (
	// usageFor is how long what was measured is good. Whoever asks later gets it
	// all the same, and has it measured anew for those who come next.
	usageFor = 5 * time.Second
	// usageAtMost is how old what is told may be. Whoever asks later than that
	// waits for the measurement.
	usageAtMost = 10 * time.Second
)

// usage is what a worker's processes take together.
type usage struct {
	memory int64   // bytes that are resident
	cpu    float64 // seconds, of processes that ended and were waited for, too
}

// meter measures what the workers take, when somebody asks: with hundreds of
// workers that is milliseconds, which those who look all the time do not wait
// for.
type meter struct {
	measure func() map[int]usage // by the worker's process
	now     func() time.Time

	mu     sync.Mutex
	at     time.Time // when tree was measured
	tree   map[int]usage
	busy   bool // somebody measures behind the back of those who ask
	closed bool
	work   sync.WaitGroup
}

func newMeter(measure func() map[int]usage) *meter {
	return &meter{measure: measure, now: time.Now}
}

// look returns what the process trees of the workers take, at most usageAtMost
// old. A process that began since is not among them. The map must not be
// changed.
func (m *meter) look() map[int]usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch age := m.now().Sub(m.at); {
	case m.tree == nil || age > usageAtMost:
		m.tree, m.at = m.measure(), m.now()
	case age > usageFor && !m.busy && !m.closed:
		m.busy = true
		m.work.Go(m.again)
	}
	return m.tree
}

func (m *meter) again() {
	at := m.now()
	tree := m.measure()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy = false
	if at.After(m.at) {
		m.tree, m.at = tree, at
	}
}

// close waits for what is still measured.
func (m *meter) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.work.Wait()
}

// leaders are the processes of the workers.
func (h *host) leaders() []int {
	var out []int
	for _, s := range h.supervisor.Statuses() {
		if s.PID != 0 {
			out = append(out, s.PID)
		}
	}
	return out
}

// measureAll puts what workers take into their status.
func (h *host) measureAll(items ...api.FusedWorker) {
	tree := h.meter.look()
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
