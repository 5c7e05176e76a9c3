package postgres

import (
	"testing"
	"time"

	"pipedai/internal/testkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// What is put before the remembered head of a lane is found: at once when this
// process put it there, and else when the memory is over.
func TestClaimTasks_beforeHead(t *testing.T) {
	t.Parallel()
	s := openAt(t, testkit.PostgresLike(t, "migrated", migrate)).(*Store)
	if _, err := s.Register(t.Context(), store.Register{Service: store.Service{ID: "svc", BaseURL: "http://worker.test"}, Tasks: []store.Task{
		{ID: "a", CodeHash: "h", Timeout: time.Minute, HeartbeatInterval: time.Minute, Priority: 100},
	}}); err != nil {
		t.Fatal(err)
	}
	enqueue := func(n int, priority *int) {
		t.Helper()
		items := batch("a", n)
		for i := range items {
			items[i].Priority = priority
		}
		if _, err := s.EnqueueTasks(t.Context(), items); err != nil {
			t.Fatal(err)
		}
	}
	claim := func() []store.Claimed {
		t.Helper()
		got, err := s.ClaimTasks(t.Context(), store.ClaimTasks{Owner: "w", Limit: 1, AcceptWithin: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	// slow is a full claim of the run with this number that took long.
	slow := func(seq int64) {
		var c claimed
		c.service, c.seq, c.TaskRun.Priority = pipeline.ServiceID("svc"), seq, 100
		s.heads.learn(headColumns{reset: s.heads.reset}, []claimed{c}, time.Hour, time.Now())
	}

	enqueue(1, nil)
	begun := time.Now()
	slow(1 << 40)
	if got := claim(); len(got) != 0 && time.Since(begun) < headsLast {
		t.Fatal("the head of the lane is not remembered")
	}
	var got []store.Claimed
	for len(got) == 0 {
		if time.Since(begun) > headsLast+10*time.Second {
			t.Fatal("what lies before the head is never found")
		}
		got = claim()
	}
	if took := time.Since(begun); took < headsLast {
		t.Errorf("found after %s: the test proves nothing", took)
	}

	slow(1 << 40)
	if err := s.ReleaseAttempts(t.Context(), []store.AttemptRef{{ID: got[0].TaskRun.ID, Attempt: got[0].TaskRun.Attempt}}); err != nil {
		t.Fatal(err)
	}
	if got := claim(); len(got) != 1 {
		t.Error("what was given back is not found at once")
	}
	slow(1 << 40)
	urgent := 1
	enqueue(1, &urgent)
	if got := claim(); len(got) != 1 {
		t.Error("what is more urgent is not found at once")
	}
}

func TestHeads(t *testing.T) {
	t.Parallel()
	var h heads
	now := time.Now()
	at := func(seq int64) []claimed {
		var c claimed
		c.service, c.seq, c.TaskRun.Priority = "svc", seq, 100
		return []claimed{c}
	}
	h.learn(h.columns(now), at(5000), time.Millisecond, now)
	if got := h.columns(now); len(got.queues) != 0 {
		t.Errorf("a quick claim is remembered: %+v", got)
	}
	h.learn(h.columns(now), at(5000), time.Second, now)
	h.learn(h.columns(now), at(9000), time.Millisecond, now)
	h.learn(h.columns(now), at(7000), time.Millisecond, now) // which was overtaken
	if got := h.columns(now); len(got.seqs) != 1 || got.seqs[0] != 9000 {
		t.Errorf("the head is %+v", got)
	}
	if got := h.columns(now.Add(headsBack)); len(got.seqs) != 1 || got.seqs[0] != 9000-headsWindow {
		t.Errorf("commits that were late are passed over: %+v", got)
	}
	if got := h.columns(now.Add(headsBack)); len(got.seqs) != 1 || got.seqs[0] != 9000 {
		t.Errorf("every claim begins before the head: %+v", got)
	}
	if got := h.columns(now.Add(headsLast)); len(got.seqs) != 1 {
		t.Errorf("forgotten after %s, where a full claim takes one", headsLast)
	}
	if got := h.columns(now.Add(headsMost)); len(got.queues) != 0 {
		t.Errorf("remembered for too long: %+v", got)
	}
	before := h.columns(now)
	h.forget()
	h.learn(before, at(5000), time.Second, now)
	if got := h.columns(now); len(got.queues) != 0 {
		t.Errorf("a claim that began before a reset is remembered: %+v", got)
	}
}
