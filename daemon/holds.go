package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
)

// holds are the workers that an operation keeps without a process for a moment.
// What people want of them stays in the manifest meanwhile, untouched: whatever
// becomes of the operation, letting go is all it takes to restore it. An
// operation writes into its journal that it holds before it does.
type holds struct {
	mu sync.Mutex
	by map[string]string // operation, by worker
}

func (l *holds) set(worker, operation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]string{}
	}
	l.by[worker] = operation
}

// release lets go of what the operation holds; that of another one stays.
func (l *holds) release(worker, operation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by[worker] == operation {
		delete(l.by, worker)
	}
}

func (l *holds) has(worker string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[worker] != ""
}

// resumeHolds takes up what operations of an earlier daemon hold, before the
// first process is started.
func (h *host) resumeHolds(ctx context.Context) error {
	running, err := h.manifest.RunningOperations(ctx)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	for _, rec := range running {
		var st upgradeState
		if rec.Kind == kindUpgrade && json.Unmarshal(rec.State, &st) == nil && st.Held {
			h.holds.set(rec.EntryID, rec.ID)
		}
	}
	return nil
}
