package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRollout_stopsAtItsBudget: three hosts, one of which the version fails on.
// The rollout stops there, and says which and why; the host after it is not
// touched, and the one that failed works as before. It goes on when it is told
// to, without that host; and when what was wrong there is put right, with it.
// Then a version that is good everywhere reaches all of them.
func TestRollout_stopsAtItsBudget(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	operator := newPublisher(t, p)
	old, next := workerNamed(t, "8.0.0"), workerNamed(t, "8.6.0")
	operator.publish(t, "8.0.0", old)
	operator.publish(t, "8.6.0", workerScript(t, "8.6.0", next,
		`if [ -e "$PIPEDAI_HOME/no-display" ]; then echo cannot open the display; exit 4; fi; exec "$REAL" "$@"`))
	operator.publish(t, "8.7.0", workerNamed(t, "8.7.0"))

	hosts := map[string]*host{}
	names := []string{"box-1", "box-2", "box-3"}
	for _, name := range names {
		h := newHost(t)
		h.env = append(h.env, "PIPEDAI_WORKER_PROGRAM="+old, "PIPEDAI_PROBE_INTERNET=off")
		h.pair(t, asOther(t, p, name))
		h.start(t)
		h.pid(t)
		hosts[name] = h
	}
	obstacle := filepath.Join(hosts["box-2"].home, "no-display")
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rollout := func(code int, what string, args ...string) result {
		t.Helper()
		r := call(t, p.env, "pipeweave", append([]string{"rollouts"}, args...)...)
		if r.code != code {
			t.Fatalf("%s: exit code %d, want %d\n%s", what, r.code, code, r.both())
		}
		return r
	}
	versions := func(one, two, three string) {
		t.Helper()
		want := fmt.Sprintf("box-1 %s, box-2 %s, box-3 %s", one, two, three)
		got := ""
		eventually(t, "the hosts to run "+want, func() bool {
			all := strings.Split(p.remoteVersions(t), ", ")
			slices.Sort(all)
			got = strings.Join(all, ", ")
			return got == want
		})
		for _, name := range names {
			if w := hosts[name].worker(t); w.Local == nil || w.Local.State != "running" || !w.Enabled || w.Remote == nil || w.Remote.Disabled {
				t.Errorf("%s: its worker is %+v %+v", name, w.Local, w.Remote)
			}
		}
	}
	eventually(t, "all hosts to check in", func() bool {
		return strings.Contains(call(t, p.env, "pipeweave", "rollouts", "start", "--to", "8.6.0", "--dry-run").out, "would go to 3 hosts")
	})
	versions("8.0.0", "8.0.0", "8.0.0")
	last := hosts["box-3"].pid(t)

	r := rollout(1, "a rollout that one host fails", "start", "--to", "8.6.0", "--hosts", strings.Join(names, ","), "--canary", "1",
		"--max-unavailable", "1", "--max-failures", "0", "--yes", "--watch")
	id := rolloutID.FindString(r.out)
	status := p.cli(t, "rollouts", "status", id).out
	for _, words := range []string{"paused: 1 host failed, 0 allowed: box-2", "1 of 3 done", "exit code 4", "cannot open the display"} {
		if !strings.Contains(status, words) {
			t.Errorf("status does not say %q:\n%s", words, status)
		}
	}
	versions("8.6.0", "8.0.0", "8.0.0")
	if now := hosts["box-3"].pid(t); now != last {
		t.Errorf("the worker of the host after it was %d and is %d", last, now)
	}

	p.cli(t, "rollouts", "resume", id)
	rollout(0, "the rest of it", "status", id, "--watch")
	versions("8.6.0", "8.0.0", "8.6.0")

	// What was wrong with the host is put right, and a person says: again.
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	again := rollout(1, "the same version by itself", "start", "--to", "8.6.0", "--yes", "--watch")
	if !strings.Contains(again.both(), "is not tried again by itself") {
		t.Errorf("a version that failed on a host is not refused there:\n%s", again.both())
	}
	p.cli(t, "rollouts", "resume", "--retry", rolloutID.FindString(again.out))
	rollout(0, "the same version, as a person insists", "status", rolloutID.FindString(again.out), "--watch")
	versions("8.6.0", "8.6.0", "8.6.0")

	rollout(0, "a good version", "start", "--to", "8.7.0", "--yes", "--watch")
	versions("8.7.0", "8.7.0", "8.7.0")
	for _, name := range names {
		hosts[name].proc.stop(t)
	}
}
