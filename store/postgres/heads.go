package postgres

import (
	"math"
	"sync"
	"time"

	"pipedai/store/internal/flow"
)

// While somebody holds a snapshot open, what claims deleted stays in the way:
// each walks over all of it to the first row that is left. So a claim that was
// slow remembers where it found its rows, and those that follow begin there, but
// only for a moment: what a late commit or another replica puts before that place
// is found when the moment is over. What this process puts there ends it.
const (
	headsLast   = time.Second
	headsMost   = 5 * time.Second        // where a full claim takes so long that one a second were too much
	headsShare  = 20                     // a full claim may take one part of the time in so many
	headsWindow = 1000                   // commits are late by less than so many task runs, as a rule
	headsBack   = 100 * time.Millisecond // between two claims that begin so far back
	slowClaim   = 5 * time.Millisecond
	slowRow     = 100 * time.Microsecond // more for each row that was claimed
)

// heads are where the lanes of ready begin, as far as that is remembered.
type heads struct {
	mu    sync.Mutex
	until time.Time
	back  time.Time // when a claim last began before the heads
	reset int       // counts what made them void
	of    map[lane]place
}

type lane struct{ queue, name string }

type place struct {
	priority int
	seq      int64
}

func (p place) before(q place) bool {
	return p.priority < q.priority || p.priority == q.priority && p.seq < q.seq
}

// headColumns are heads as they travel.
type headColumns struct {
	queues, lanes []string
	priorities    []int
	seqs          []int64
	reset         int
}

// columns returns the heads that hold now. Without any, the claim is a full one.
func (h *heads) columns(now time.Time) headColumns {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !now.Before(h.until) {
		h.of = nil
	}
	window := int64(0)
	if len(h.of) > 0 && now.Sub(h.back) >= headsBack {
		h.back, window = now, headsWindow
	}
	cols := headColumns{reset: h.reset, queues: []string{}, lanes: []string{}, priorities: []int{}, seqs: []int64{}}
	for l, p := range h.of {
		cols.queues, cols.lanes = append(cols.queues, l.queue), append(cols.lanes, l.name)
		cols.priorities, cols.seqs = append(cols.priorities, p.priority), append(cols.seqs, p.seq-window)
	}
	return cols
}

// learn takes in where a claim that began with cols found its rows. A slow full
// claim begins to remember; those after it move on.
func (h *heads) learn(cols headColumns, got []claimed, took time.Duration, now time.Time) {
	full := len(cols.queues) == 0
	if len(got) == 0 || full && took < slowClaim+time.Duration(len(got))*slowRow {
		return
	}
	of := map[lane]place{}
	for _, c := range got {
		l, p := lane{string(c.service), c.lane}, place{c.TaskRun.Priority, c.seq}
		if first, known := of[l]; !known || p.before(first) {
			of[l] = p
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reset != cols.reset {
		return
	}
	if full {
		last := max(headsLast, min(headsMost, took*headsShare))
		h.until, h.back, h.of = now.Add(last), now, map[lane]place{}
	}
	for l, p := range of {
		if at, known := h.of[l]; h.of != nil && (full || known && at.before(p)) {
			h.of[l] = p
		}
	}
}

// forget makes the next claim a full one.
func (h *heads) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of = nil
	h.reset++
}

// passed returns what to do once a step is committed: to forget, if it puts
// something before a head.
func (h *heads) passed(c *flow.Changes) func() {
	again, first := len(c.Requeues) > 0, math.MaxInt
	for i := range c.Inserts {
		first = min(first, c.Inserts[i].Priority)
	}
	return func() {
		h.mu.Lock()
		before := again && h.of != nil
		for _, p := range h.of {
			before = before || first < p.priority
		}
		h.mu.Unlock()
		if before {
			h.forget()
		}
	}
}
