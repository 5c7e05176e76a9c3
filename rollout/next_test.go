package rollout

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func limits(canary, unavailable, failures int) Limits {
	return Limits{Canary: canary, MaxUnavailable: unavailable, MaxFailures: failures, HostDeadline: time.Hour}
}

// fleet is a rollout over hosts a, b, c, ... that are all online.
type fleet struct {
	testing.TB
	now     time.Time
	r       Rollout
	targets []Target
}

func newFleet(t testing.TB, n int, l Limits) *fleet {
	f := &fleet{TB: t, now: start, r: Rollout{Limits: l, Status: Running}}
	for i := range n {
		f.targets = append(f.targets, Target{Host: string(rune('a' + i)), State: Waiting, Online: true})
	}
	return f
}

func (f *fleet) next() {
	f.r, f.targets = Next(f.r, f.targets, f.now).Apply(f.r, f.targets, f.now)
}

func (f *fleet) says(i int, w Word, why string) {
	f.Helper()
	t, ok := Take(f.targets[i], w, why)
	if !ok {
		f.Fatalf("%s of %s in state %s was not taken", w, t.Host, t.State)
	}
	f.targets[i] = t
	f.next()
}

func (f *fleet) want(status Status, states ...State) {
	f.Helper()
	var got []State
	for _, t := range f.targets {
		got = append(got, t.State)
	}
	if diff := cmp.Diff(states, got); diff != "" || f.r.Status != status {
		f.Fatalf("status %s (%s), want %s; states (-want +got):\n%s", f.r.Status, f.r.Reason, status, diff)
	}
}

func TestNext_canaryFirstAndAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 4, limits(1, 3, 0))
	f.next()
	f.want(Running, Ordered, Waiting, Waiting, Waiting)
	f.says(0, SaysRunning, "")
	f.want(Running, Underway, Waiting, Waiting, Waiting)
	f.says(0, SaysSucceeded, "")
	f.want(Running, Done, Ordered, Ordered, Ordered)
	for i := 1; i < 4; i++ {
		f.says(i, SaysSucceeded, "")
	}
	f.want(Succeeded, Done, Done, Done, Done)
}

func TestNext_failedCanaryStopsWhateverTheBudget(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, limits(1, 3, 2))
	f.next()
	f.says(0, SaysFailed, "it crashed at start")
	f.want(Paused, Broken, Waiting, Waiting)
	if want := "a canary failed: a"; f.r.Reason != want {
		t.Errorf("reason %q, want %q", f.r.Reason, want)
	}
	// Forgiven, another one takes its place: the rest still waits for a canary.
	var ok bool
	if f.r, f.targets, ok = Resume(f.r, f.targets, false); !ok {
		t.Fatal("not resumed")
	}
	f.next()
	f.want(Running, Broken, Ordered, Waiting)
}

func TestNext_awayHostWaitsAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, limits(1, 1, 0))
	f.targets[0].Online = false
	f.next()
	f.want(Running, Waiting, Ordered, Waiting)
	f.says(1, SaysSucceeded, "")
	f.says(2, SaysSucceeded, "")
	f.want(Running, Waiting, Done, Done)
	f.now = f.now.Add(100 * time.Hour)
	f.next()
	f.want(Running, Waiting, Done, Done)
	f.targets[0].Online = true
	f.next()
	f.says(0, SaysSucceeded, "")
	f.want(Succeeded, Done, Done, Done)
}

func TestNext_budget(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 5, limits(0, 1, 1))
	f.next()
	f.says(0, SaysFailed, "x")
	f.want(Running, Broken, Ordered, Waiting, Waiting, Waiting)
	f.says(1, SaysFailed, "y")
	f.want(Paused, Broken, Broken, Waiting, Waiting, Waiting)
	if want := "2 hosts failed, 1 allowed: a, b"; f.r.Reason != want {
		t.Errorf("reason %q, want %q", f.r.Reason, want)
	}
	f.r, f.targets, _ = Resume(f.r, f.targets, true)
	f.next()
	f.want(Running, Ordered, Waiting, Waiting, Waiting, Waiting)
}

func TestNext_refusalsCountForNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, limits(1, 1, 0))
	f.next()
	f.says(0, SaysRefused, "its owner does not allow rollouts")
	f.want(Running, Refused, Ordered)
	f.says(1, SaysSucceeded, "")
	f.want(Succeeded, Refused, Done)
	if want := "1 host refused: a"; f.r.Reason != want {
		t.Errorf("reason %q, want %q", f.r.Reason, want)
	}
	none := newFleet(t, 1, limits(0, 1, 0))
	none.next()
	none.says(0, SaysRefused, "no")
	none.want(Failed, Refused)
}

func TestNext_overdueHoldsItsPlaceWhileTheHostIsThere(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, limits(0, 1, 1))
	f.next()
	f.says(0, SaysRunning, "")
	f.now = f.now.Add(time.Hour)
	f.next()
	f.want(Running, Overdue, Waiting, Waiting)
	f.targets[0].Online = false // it died: nobody waits for it
	f.next()
	f.want(Running, Overdue, Ordered, Waiting)
	f.targets[0].Online = true
	f.says(0, SaysSucceeded, "") // the truth counts, late as it is
	f.want(Running, Done, Ordered, Waiting)
}

func TestNext_abort(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 4, limits(0, 3, 0))
	f.next()
	f.says(0, SaysRunning, "")
	f.r, _ = Abort(f.r, "ann aborted it")
	f.next()
	f.want(Aborting, Withdrawing, Withdrawing, Withdrawing, Withdrawn)
	f.says(0, SaysCancelled, "")
	f.says(1, SaysSucceeded, "") // too late to cancel
	f.want(Aborting, Withdrawn, Done, Withdrawing, Withdrawn)
	f.now = f.now.Add(time.Hour)
	f.next()
	f.want(Aborted, Withdrawn, Done, Withdrawn, Withdrawn)
	f.says(2, SaysSucceeded, "")
	f.want(Aborted, Withdrawn, Done, Done, Withdrawn)
	if f.r.Reason != "ann aborted it" {
		t.Errorf("reason %q", f.r.Reason)
	}
}

func TestNext_revokedHostIsSkipped(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, limits(0, 1, 0))
	f.next()
	f.targets[0].Gone, f.targets[2].Gone = true, true
	f.next()
	f.want(Running, Skipped, Ordered, Skipped)
	f.says(1, SaysSucceeded, "")
	f.want(Succeeded, Skipped, Done, Skipped)
}

func TestNext_busyHostWaits(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, limits(0, 1, 0))
	f.targets[0].Busy = true
	f.next()
	f.want(Running, Waiting, Ordered)
}

func TestTake_order(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		state State
		said  Word
		want  State
		ok    bool
	}{
		{Waiting, SaysRunning, Waiting, false},
		{Ordered, SaysRunning, Underway, true},
		{Underway, SaysRunning, Underway, true},
		{Underway, SaysRefused, Refused, true},
		{Underway, SaysCancelled, Broken, true},
		{Withdrawing, SaysRunning, Withdrawing, false},
		{Withdrawing, SaysFailed, Broken, true},
		{Withdrawing, SaysRefused, Withdrawn, true},
		{Overdue, SaysRunning, Overdue, false},
		{Overdue, SaysCancelled, Broken, true},
		{Overdue, SaysSucceeded, Done, true},
		{Skipped, SaysSucceeded, Skipped, false},
	} {
		t.Run(fmt.Sprintf("%s hears %s", tc.state, tc.said), func(t *testing.T) {
			t.Parallel()
			target := Target{State: tc.state, Error: "as it was"}
			if tc.state != Waiting {
				target.Deadline = start
			}
			got, ok := Take(target, tc.said, "why")
			if got.State != tc.want || ok != tc.ok {
				t.Errorf("got %s, %t, want %s, %t", got.State, ok, tc.want, tc.ok)
			}
			if ok && tc.said.Last() {
				for _, w := range Words {
					if again, ok := Take(got, w, "later"); ok || again != got {
						t.Errorf("%s after the last word changed it to %+v", w, again)
					}
				}
			}
		})
	}
}
