package flow

import (
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// Tally puts together what a store counted of its runs.
type Tally struct {
	store.RunCounts
	failed map[pipeline.ID]pipeline.RunID
}

// Add takes one cell, when the oldest run in it was created, and its newest run.
func (t *Tally) Add(c store.RunCount, oldest time.Time, newest pipeline.RunID) {
	t.Cells = append(t.Cells, c)
	t.Counted += c.Runs
	if t.Oldest.IsZero() || oldest.Before(t.Oldest) {
		t.Oldest = oldest
	}
	if c.Status != pipeline.RunFailed {
		return
	}
	if t.failed == nil {
		t.failed = map[pipeline.ID]pipeline.RunID{}
	}
	t.failed[c.Pipeline] = max(t.failed[c.Pipeline], newest) // ids grow with time
}

// LastFailed is the newest failed run of each pipeline that has one.
func (t *Tally) LastFailed() []string {
	out := make([]string, 0, len(t.failed))
	for _, id := range t.failed {
		out = append(out, string(id))
	}
	return out
}
