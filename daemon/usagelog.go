package daemon

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/daemon/localapi"
)

// What workers took lately is kept, so that whoever opens a page sees how it
// went and not only how it is. One look through the process table serves all
// workers, and there are two a minute: with a hundred workers that is less than
// a tenth of a millisecond per second.
const (
	usageEvery = 30 * time.Second
	usageKept  = 120 // samples of each worker: an hour
)

// usageAtFirst are the pauses before the first samples, closer together: a curve
// needs some, and who starts a daemon looks at it soon.
var usageAtFirst = []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second}

// usageLog keeps what each worker took lately.
type usageLog struct {
	mu   sync.Mutex
	rows map[string][]api.UsageSample // by worker, oldest first
}

// add keeps one sample of each worker and forgets those that are gone.
func (l *usageLog) add(now map[string]api.UsageSample, known func(worker string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rows == nil {
		l.rows = map[string][]api.UsageSample{}
	}
	for id := range l.rows {
		if !known(id) {
			delete(l.rows, id)
		}
	}
	for id, sample := range now {
		row := append(l.rows[id], sample)
		if len(row) > usageKept {
			row = slices.Delete(row, 0, len(row)-usageKept) // in place
		}
		l.rows[id] = row
	}
}

// read returns at most n of the newest samples of each worker, by id.
func (l *usageLog) read(n int) []api.WorkerUsage {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]api.WorkerUsage, 0, len(l.rows))
	for id, row := range l.rows {
		out = append(out, api.WorkerUsage{WorkerID: id, Samples: slices.Clone(row[max(0, len(row)-n):])})
	}
	slices.SortFunc(out, func(a, b api.WorkerUsage) int { return strings.Compare(a.WorkerID, b.WorkerID) })
	return out
}

var _ localapi.Usage = (*host)(nil)

// Usage implements localapi.Usage.
func (h *host) Usage(n int) api.UsageHistory {
	return api.UsageHistory{EveryMs: usageEvery.Milliseconds(), Items: h.usage.read(n)}
}

// watchUsage takes samples until ctx ends.
func (h *host) watchUsage(ctx context.Context) error {
	select {
	case <-h.ready:
	case <-ctx.Done():
		return nil
	}
	timer := time.NewTimer(usageAtFirst[0])
	defer timer.Stop()
	for taken := 1; ; taken++ {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		h.sampleUsage()
		pause := usageEvery
		if taken < len(usageAtFirst) {
			pause = usageAtFirst[taken]
		}
		timer.Reset(pause)
	}
}

// sampleUsage takes one sample of each worker that has a process.
func (h *host) sampleUsage() {
	statuses := h.supervisor.Statuses()
	if len(statuses) == 0 {
		return
	}
	tree, now := h.meter.look(), time.Now().UnixMilli()
	samples, known := map[string]api.UsageSample{}, map[string]bool{}
	for _, s := range statuses {
		known[s.ID] = true
		if u, measured := tree[s.PID]; s.PID != 0 && measured {
			samples[s.ID] = api.UsageSample{TS: now, PID: s.PID, MemoryBytes: u.memory, CPUSeconds: u.cpu}
		}
	}
	h.usage.add(samples, func(id string) bool { return known[id] })
}
