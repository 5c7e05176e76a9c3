package rollout

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// world is a rollout among hosts that do what hosts do: go away and come back,
// begin late, fail, say things twice and late, take back or not.
type world struct {
	now     time.Time
	r       Rollout
	targets []Target
	orders  int // ever given
}

func drawWorld(t *rapid.T) *world {
	n := rapid.IntRange(1, 12).Draw(t, "hosts")
	w := &world{now: start, r: Rollout{Status: Running, Limits: Limits{
		Canary:         rapid.IntRange(0, n+1).Draw(t, "canary"),
		MaxUnavailable: rapid.IntRange(1, 5).Draw(t, "unavailable"),
		MaxFailures:    rapid.IntRange(0, 3).Draw(t, "failures"),
		HostDeadline:   time.Hour,
	}}}
	for i := range n {
		w.targets = append(w.targets, Target{Host: string(rune('a' + i)), State: Waiting, Online: rapid.Bool().Draw(t, "online")})
	}
	return w
}

// next asks, checks what must hold whatever happened, and applies.
func (w *world) next(t *rapid.T) {
	d := Next(w.r, w.targets, w.now)
	if diff := cmp.Diff(d, Next(w.r, slices.Clone(w.targets), w.now)); diff != "" {
		t.Fatalf("the same question has two answers:\n%s", diff)
	}
	before := Count(w.targets)
	r, targets := d.Apply(w.r, w.targets, w.now)
	ordered := 0
	for i, c := range d.Changes {
		if i > 0 && d.Changes[i-1].Target >= c.Target {
			t.Fatalf("changes are not in the order of the targets: %+v", d.Changes)
		}
		from := w.targets[c.Target]
		if !from.State.CanMove(c.State) {
			t.Fatalf("%s moved from %s to %s", from.Host, from.State, c.State)
		}
		if c.State == Ordered {
			ordered++
			if !from.Online || from.Busy || from.Gone {
				t.Fatalf("an order for a host that cannot take it: %+v", from)
			}
		}
	}
	w.orders += ordered
	after := Count(targets)
	if ordered > 0 {
		if after.Out > r.MaxUnavailable {
			t.Fatalf("%d out, %d allowed", after.Out, r.MaxUnavailable)
		}
		if w.r.Status != Running || r.Status != Running {
			t.Fatalf("an order of a rollout that went from %s to %s", w.r.Status, r.Status)
		}
		if after.Charged > r.MaxFailures || before.Charged > r.MaxFailures {
			t.Fatalf("an order after %d failures, %d allowed", after.Charged, r.MaxFailures)
		}
		proven, others := 0, 0
		for _, x := range targets {
			if x.Canary && x.State == Done {
				proven++
			}
			if !x.Canary && !x.Deadline.IsZero() {
				others++
			}
		}
		if others > 0 && proven < r.Canary {
			t.Fatalf("%d of %d canaries succeeded, and others were ordered", proven, r.Canary)
		}
	}
	if again := Next(r, targets, w.now); len(again.Changes) > 0 || again.Status != r.Status || again.Reason != r.Reason {
		t.Fatalf("it was not done after one decision: %+v", again)
	}
	w.r, w.targets = r, targets
}

// step is one thing that may happen.
func (w *world) step(t *rapid.T, wild bool) {
	i := rapid.IntRange(0, len(w.targets)-1).Draw(t, "host")
	x := &w.targets[i]
	kinds := []string{"word", "word", "word", "away", "clock"}
	if wild {
		kinds = append(kinds, "pause", "resume", "retry", "abort", "revoke", "busy")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "step") {
	case "word": // right, doubled, late or out of order
		said := rapid.SampledFrom(Words).Draw(t, "word")
		got, ok := Take(*x, said, "why")
		if ok && got.State != x.State && !x.State.CanMove(got.State) {
			t.Fatalf("the word %s moved %s to %s", said, x.State, got.State)
		}
		if !ok && got != *x {
			t.Fatalf("a word that was not taken changed %+v to %+v", *x, got)
		}
		*x = got
	case "away":
		x.Online = !x.Online
	case "clock":
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
	case "pause":
		w.r, _ = Pause(w.r, "somebody")
	case "resume":
		if r, targets, ok := Resume(w.r, w.targets, false); ok {
			w.r, w.targets = r, targets
		}
	case "retry":
		if r, targets, ok := Resume(w.r, w.targets, true); ok {
			w.r, w.targets = r, targets
		}
	case "abort":
		w.r, _ = Abort(w.r, "somebody")
	case "revoke":
		x.Gone = true
	case "busy":
		x.Busy = !x.Busy
	}
}

func TestNext_limitsHoldWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.next(t)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			w.step(t, true)
			w.next(t)
		}
	})
}

// Whatever happened: once every host is there and answers or misses its
// deadline, and somebody resumes what paused, the rollout ends.
func TestNext_alwaysEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.next(t)
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			w.step(t, true)
			w.next(t)
		}
		for i := range w.targets {
			w.targets[i].Online, w.targets[i].Busy = true, false
		}
		w.next(t)
		// Each round settles one target at least, or forgives one.
		for round := 0; !w.r.Status.Ended(); round++ {
			if round > 4*len(w.targets)+4 {
				t.Fatalf("it goes on and on: %+v", w)
			}
			if w.r.Status == Paused {
				w.r, w.targets, _ = Resume(w.r, w.targets, false)
			} else {
				for i, x := range w.targets {
					if got, ok := Take(x, rapid.SampledFrom(Words).Draw(t, "word"), ""); ok {
						w.targets[i] = got
					}
				}
				if rapid.Bool().Draw(t, "silence") {
					w.now = w.now.Add(time.Hour)
				}
			}
			w.next(t)
		}
		for _, x := range w.targets {
			if !x.State.Final() {
				t.Fatalf("%s while %s is %s", w.r.Status, x.Host, x.State)
			}
		}
	})
}
