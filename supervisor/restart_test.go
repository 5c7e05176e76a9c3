package supervisor

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func coded(code int) ending  { return ending{exit: &Exit{Code: &code}} }
func killed(s string) ending { return ending{exit: &Exit{Signal: &s}} }
func notStarted() ending     { return ending{spawnErr: errors.New("no such program")} }
func shortOf() ending        { return ending{spawnErr: errors.New("out of descriptors"), transient: true} }

func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	ran := func(d time.Duration) time.Time { return now.Add(-d) }
	few := Policy{Budget: 2}
	cases := map[string]struct {
		policy   Policy
		history  history
		ending   ending
		action   action
		delay    time.Duration
		restarts int
		reason   string
	}{
		"first crash":                     {Policy{}, history{startedAt: ran(0)}, coded(1), actRestart, time.Second, 1, "exited with code 1; restart 1 of 20"},
		"code 0 is an exit like others":   {Policy{}, history{startedAt: ran(0)}, coded(0), actRestart, time.Second, 1, "exited with code 0"},
		"second":                          {Policy{}, history{restarts: 1}, coded(1), actRestart, 5 * time.Second, 2, ""},
		"third":                           {Policy{}, history{restarts: 2}, killed("SIGSEGV"), actRestart, 15 * time.Second, 3, "killed by SIGSEGV"},
		"fourth":                          {Policy{}, history{restarts: 3}, coded(1), actRestart, time.Minute, 4, ""},
		"fifth":                           {Policy{}, history{restarts: 4}, coded(1), actRestart, 5 * time.Minute, 5, ""},
		"the last pause repeats":          {Policy{}, history{restarts: 11}, coded(1), actRestart, 5 * time.Minute, 12, ""},
		"just under the stable window":    {Policy{}, history{restarts: 3, startedAt: ran(time.Minute - 1)}, coded(1), actRestart, time.Minute, 4, ""},
		"a stable run forgets":            {Policy{}, history{restarts: 3, startedAt: ran(time.Minute)}, coded(1), actRestart, time.Second, 1, ""},
		"own stable window":               {Policy{Stable: time.Second}, history{restarts: 3, startedAt: ran(2 * time.Second)}, coded(1), actRestart, time.Second, 1, ""},
		"budget used up":                  {few, history{restarts: 2}, coded(1), actGiveUp, 0, 2, "gave up after 2 restarts"},
		"stable run renews the budget":    {few, history{restarts: 2, startedAt: ran(time.Hour)}, coded(1), actRestart, time.Second, 1, ""},
		"default budget":                  {Policy{}, history{restarts: DefaultBudget}, coded(1), actGiveUp, 0, DefaultBudget, ""},
		"no budget":                       {Policy{Budget: -1}, history{restarts: 1_000_000}, coded(1), actRestart, 5 * time.Minute, 1_000_001, "restart 1000001"},
		"could not be started":            {few, history{}, notStarted(), actRestart, time.Second, 1, "could not be started: no such program"},
		"could not be started any more":   {few, history{restarts: 2}, notStarted(), actGiveUp, 0, 2, ""},
		"the host's fault does not count": {few, history{restarts: 2}, shortOf(), actRestart, 5 * time.Second, 1, "short of resources"},
		"exit unknown":                    {Policy{}, history{}, ending{exit: &Exit{}}, actRestart, time.Second, 1, "how is not known"},
		"final code":                      {Policy{FinalCodes: []int{2}}, history{}, coded(2), actGiveUp, 0, 0, "does not restart"},
		"final code 0":                    {Policy{FinalCodes: []int{0}}, history{restarts: 1}, coded(0), actRest, 0, 1, ""},
		"clock went back":                 {Policy{}, history{restarts: 1, startedAt: ran(-time.Hour)}, coded(1), actRestart, 5 * time.Second, 2, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.history.total = 40
			got := decide(c.policy, c.history, c.ending, now, 0.5)
			total := 40
			if c.action == actRestart {
				total++
			}
			if got.action != c.action || got.delay != c.delay || got.restarts != c.restarts || got.total != total || !strings.Contains(got.reason, c.reason) {
				t.Errorf("got %+v, want action %d, delay %s, restarts %d, total %d, reason %q", got, c.action, c.delay, c.restarts, total, c.reason)
			}
		})
	}
	t.Run("jitter stays within a tenth", func(t *testing.T) {
		t.Parallel()
		for jitter, want := range map[float64]time.Duration{0: 54 * time.Second, 0.999999999: 66 * time.Second} {
			got := decide(Policy{}, history{restarts: 3}, coded(1), now, jitter).delay
			if diff := (got - want).Abs(); diff > time.Millisecond {
				t.Errorf("jitter %v: %s, want %s", jitter, got, want)
			}
		}
	})
}

func TestState_Moves(t *testing.T) {
	t.Parallel()
	all := []State{Stopped, Starting, Running, BackingOff, Crashed}
	for from, row := range moves {
		for ev, to := range row {
			if _, known := moves[to]; !known {
				t.Errorf("%s on %d leads to %q, which is no state", from, ev, to)
			}
		}
	}
	for _, s := range all {
		// There is a way out of every state, and no process without a start.
		if len(moves[s]) == 0 {
			t.Errorf("%s has no way out", s)
		}
		if _, ok := s.next(evSpawned); ok != (s == Starting) {
			t.Errorf("%s: a process came up is legal: %v", s, ok)
		}
		if _, ok := s.next(evStop); ok != (s == Stopped || s == BackingOff || s == Crashed) {
			t.Errorf("%s: stopping without a process is legal: %v", s, ok)
		}
	}
}
