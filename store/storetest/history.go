package storetest

import (
	"errors"
	"flag"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

const (
	historyLength = 10_000
	historyCheck  = 500 // operations between two looks at everything
	// historySeed is the flag that repeats a history that failed; the one of the
	// other random tests.
	historySeed = "rapid.seed"
)

// History takes a migrated store through random operations and compares what
// it answers with a model: each claim run by run, each report, and from time to
// time every row and every kept count. Two stores that agree with the model
// agree with each other.
func History(t *testing.T, s store.Store) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(flag.Lookup(historySeed).Value.String(), 10, 64); err == nil && given != 0 {
		seed = given
	}
	h := &history{
		fixture: &fixture{TB: t, Store: s, ctx: t.Context()}, r: rand.New(rand.NewPCG(seed, 0)),
		m: &model{tasks: map[pipeline.TaskID]store.Task{}},
	}
	defer func() {
		if t.Failed() {
			t.Logf("repeat with -%s=%d", historySeed, seed)
		}
	}()
	h.define()
	ops := []func(){
		h.start, h.enqueue, h.enqueue, h.claim, h.claim, h.claim, h.accept, h.beat,
		h.end, h.end, h.end, h.end, h.end, h.release, h.rescue, h.cancel, h.promote,
	}
	for i := range historyLength {
		if i%100 == 99 {
			h.define() // other limits and priorities, for what comes
		} else {
			ops[h.r.IntN(len(ops))]()
		}
		if i%historyCheck == historyCheck-1 {
			h.check()
		}
		if t.Failed() {
			t.Fatalf("at operation %d", i)
		}
	}
}

type history struct {
	*fixture
	r *rand.Rand
	m *model
}

// define registers the service with random limits and priorities.
func (h *history) define() {
	tasks := []store.Task{task("a"), task("b"), task("c"), task("p1", "p2", "p3"), task("p2", "p4"), task("p3", "p4"), task("p4")}
	structure := pipeline.Structure{}
	for i := range tasks {
		tasks[i].Concurrency = []int{0, 0, 1, 3}[h.r.IntN(4)]
		tasks[i].Priority = 1 + h.r.IntN(3)
		tasks[i].Retry = pipeline.RetryPolicy{Retries: h.r.IntN(3), Backoff: pipeline.BackoffFixed} // again at once: no clock has a say
		h.m.tasks[tasks[i].ID] = tasks[i]
		if tasks[i].ID[0] == 'p' {
			structure[tasks[i].ID] = pipeline.Node{AllowedNext: tasks[i].AllowedNext}
		}
	}
	h.register(tasks...)
	if h.m.graph == nil {
		h.m.graph = pipeline.NewGraph(structure, ids("p1"))
		h.must1(h.PutPipeline(h.ctx, store.Pipeline{ID: "dia", EntryTasks: ids("p1"), Structure: structure}))
	}
}

func (h *history) priority() *int {
	if h.r.IntN(2) == 0 {
		return nil
	}
	p := h.r.IntN(5)
	return &p
}

func (h *history) start() {
	mode := []pipeline.FailureMode{pipeline.FailFast, pipeline.Continue, pipeline.PartialMerge}[h.r.IntN(3)]
	prio := h.priority()
	started := h.startAs(store.StartRun{Pipeline: "dia", FailureMode: mode, Priority: prio})
	r := &modelRun{id: started.Run.ID, mode: mode, status: pipeline.RunRunning, edges: map[pipeline.TaskID]pipeline.Edges{}, prio: prio}
	h.m.runs = append(h.m.runs, r)
	h.m.add("p1", started.Entries[0].ID, r, prio)
}

func (h *history) enqueue() {
	items := make([]store.EnqueueTask, 1+h.r.IntN(3))
	for i := range items {
		items[i] = store.EnqueueTask{ID: pipeline.NewTaskRunID(time.Now()), Task: ids("a", "b", "c")[h.r.IntN(3)], Priority: h.priority()}
		later := h.r.IntN(20) == 0
		if later {
			items[i].ScheduledFor = time.Now().Add(24 * time.Hour)
		}
		h.m.add(items[i].Task, items[i].ID, nil, items[i].Priority).later = later
	}
	h.must1(h.EnqueueTasks(h.ctx, items))
}

func (h *history) claim() {
	limit, accepted := 1+h.r.IntN(4), h.r.IntN(2) == 0
	claimed, err := h.ClaimTasks(h.ctx, store.ClaimTasks{Owner: "w", Limit: limit, AcceptWithin: time.Minute, Accepted: accepted})
	h.must(err)
	h.claimed(claimed, limit, accepted)
}

// claimed compares a claim that came after all else with that of the model.
func (h *history) claimed(claimed []store.Claimed, limit int, accepted bool) {
	want := h.m.claim(limit, accepted)
	if len(claimed) != len(want) {
		h.Fatalf("claimed %d of %d: %v", len(claimed), len(want), names(claimed))
	}
	for i, c := range claimed {
		it := want[i]
		run := pipeline.RunID("")
		if it.run != nil {
			run = it.run.id
		}
		if it.id == "" {
			it.id = c.TaskRun.ID
		}
		if c.TaskRun.ID != it.id || c.TaskRun.Task != it.task || c.TaskRun.Run != run || c.TaskRun.Attempt != it.attempt || c.TaskRun.Priority != it.prio {
			h.Fatalf("claimed %+v as number %d, want %+v", c.TaskRun, i, it)
		}
	}
}

// attempt is a random attempt: most times one under lease, else one that is
// over or was never made. It is nil when nothing was claimed yet.
func (h *history) attempt() (it *modelItem, ref store.AttemptRef, held bool) {
	from := h.m.in(pipeline.TaskRunning)
	if len(from) == 0 || h.r.IntN(8) == 0 {
		from = h.m.items
	}
	if len(from) == 0 {
		return nil, ref, false
	}
	if it = from[h.r.IntN(len(from))]; it.id == "" {
		return nil, ref, false
	}
	ref = store.AttemptRef{ID: it.id, Attempt: it.attempt, Owner: []string{"", "w", "w", "w"}[h.r.IntN(4)]}
	if h.r.IntN(16) == 0 {
		ref.Attempt += []int{-1, 1}[h.r.IntN(2)]
	}
	return it, ref, it.status == pipeline.TaskRunning && ref.Attempt == it.attempt
}

func (h *history) accept() {
	if it, ref, held := h.attempt(); it != nil {
		h.must(h.AcceptAttempts(h.ctx, []store.AttemptRef{ref}))
		it.accepted = it.accepted || held
	}
}

func (h *history) beat() {
	it, ref, held := h.attempt()
	if it == nil {
		return
	}
	got, err := h.ExtendLeases(h.ctx, []store.Heartbeat{{AttemptRef: ref}})
	h.must(err)
	if got[0].Known != held || got[0].Cancel != (!held || it.cancel) {
		h.Errorf("a heartbeat of %+v was answered %+v", it, got[0])
	}
	it.accepted = it.accepted || held
}

func (h *history) end() {
	it, ref, held := h.attempt()
	if it == nil {
		return
	}
	e := store.EndAttempt{AttemptRef: ref, AllNext: true, OutputPath: "o"}
	switch h.r.IntN(8) {
	case 0, 1:
		e.Failure = &store.Failure{Error: "boom"}
	case 2:
		e.Failure = &store.Failure{Error: "boom", Final: true}
	case 3:
		e.AllNext, e.SelectedNext = false, []pipeline.TaskID{}
		for _, next := range h.m.graph.Next(it.task) {
			if h.r.IntN(2) == 0 {
				e.SelectedNext = append(e.SelectedNext, next)
			}
		}
	}
	var got []store.EndedAttempt
	if limit := h.r.IntN(3); limit == 0 {
		var err error
		got, err = h.EndAttempts(h.ctx, []store.EndAttempt{e})
		h.must(err)
	} else {
		var claimed []store.Claimed
		got, claimed = h.endAlong(store.ClaimTasks{Owner: "w", Limit: limit, AcceptWithin: time.Minute}, e)
		defer func() { h.claimed(claimed, limit, false) }()
	}
	if !held {
		if !errors.Is(got[0].Err, store.ErrLeaseLost) {
			h.Errorf("the end of attempt %d of %+v was answered %+v", ref.Attempt, it, got[0])
		}
		return
	}
	letters := h.m.letters
	h.m.end(it, e)
	if got[0].Err != nil || got[0].Status != it.status || (got[0].DeadLetter != "") != (h.m.letters > letters) {
		h.Errorf("the end of %+v was answered %+v", it, got[0])
	}
	if r := it.run; r != nil && got[0].RunEnded != "" && got[0].RunEnded != r.status {
		h.Errorf("the end of %+v ended its run as %s, want %s", it, got[0].RunEnded, r.status)
	}
}

func (h *history) release() {
	if it, ref, held := h.attempt(); it != nil {
		h.must(h.ReleaseAttempts(h.ctx, []store.AttemptRef{ref}))
		if held {
			h.m.release(it)
		}
	}
}

// rescue takes back the one lease there is; with more it is not said in which
// order that happens.
func (h *history) rescue() {
	held := h.m.in(pipeline.TaskRunning)
	if len(held) != 1 {
		return
	}
	got, err := h.Rescue(h.ctx, store.Rescue{Now: time.Now().Add(time.Hour), Limit: 10})
	h.must(err)
	it := held[0]
	if !it.accepted {
		h.m.takeBack(it)
		if got.Released != 1 || len(got.Ended) != 0 {
			h.Errorf("rescued %+v, want %+v released", got, it)
		}
		return
	}
	h.m.end(it, store.EndAttempt{Failure: &store.Failure{Timeout: true}})
	if len(got.Ended) != 1 || got.Ended[0].ID != it.id || got.Ended[0].Status != it.status {
		h.Errorf("rescued %+v, want %+v ended", got, it)
	}
}

func (h *history) cancel() {
	if len(h.m.runs) == 0 {
		return
	}
	r := h.m.runs[max(0, len(h.m.runs)-1-h.r.IntN(10))]
	_, err := h.CancelRun(h.ctx, r.id, "")
	if !r.active() {
		h.wantErr(err, store.ErrConflict)
		return
	}
	h.must(err)
	h.m.stop(r, pipeline.RunCancelled)
}

func (h *history) promote() {
	n, _, err := h.PromoteDue(h.ctx, 10)
	h.must(err)
	if n != 0 {
		h.Errorf("%d were promoted, and none was due", n)
	}
}

// check compares the kept counts, and every row that may have changed since the
// last look: what has ended was looked at once after that.
func (h *history) check() {
	var want store.QueueStatus
	for _, it := range h.m.items {
		switch it.status {
		case pipeline.TaskPending:
			want.Pending++
		case pipeline.TaskRunning:
			want.Running++
		case pipeline.TaskCompleted:
			want.Completed++
		case pipeline.TaskFailed:
			want.Failed++
		}
		if it.id != "" && !it.settled {
			it.settled = it.status.Terminal()
			got := h.taskRun(it.id)
			if got.Status != it.status || got.Attempt != it.attempt || got.MaxRetries != it.retries || got.CancelRequested != (it.status == pipeline.TaskRunning && it.cancel) {
				h.Errorf("%s is %s, attempt %d, cancel %v; want %+v", it.id, got.Status, got.Attempt, got.CancelRequested, it)
			}
		}
	}
	want.DeadLetters = h.m.letters
	got, err := h.QueueStatus(h.ctx)
	h.must(err)
	got.OldestPending = time.Time{}
	if got != want {
		h.Errorf("kept counts %+v, want %+v", got, want)
	}
	for _, r := range h.m.runs {
		if r.settled {
			continue
		}
		r.settled = !r.active() && r.open == 0
		if got := h.run(r.id); got.Status != r.status {
			h.Errorf("run %s is %s, want %s", r.id, got.Status, r.status)
		}
		rows := 0
		for _, it := range h.m.items {
			if it.run == r {
				rows++
			}
		}
		tasks, err := h.TasksOfRun(h.ctx, r.id)
		h.must(err)
		if len(tasks) != rows {
			h.Errorf("run %s has %d task runs, want %d", r.id, len(tasks), rows)
		}
	}
}
