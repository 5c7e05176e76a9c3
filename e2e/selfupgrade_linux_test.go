package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
)

// What the daemon of bin is upgraded to. That one calls itself 0.1.0-dev.
const (
	oldVersion   = "0.1.0-dev"
	newVersion   = "0.2.0"
	newerVersion = "0.3.0"
)

// daemonBuild builds a daemon of a version, once. With a migration its manifest
// has one more.
func daemonBuild(t testing.TB, version, migration string) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	path := filepath.Join(filepath.Dir(bin), "builds", fmt.Sprintf("daemon-%s-%x", version, len(migration)))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	args := []string{"build", "-o", path, "-ldflags", "-s -w -X pipedai/internal/buildinfo.version=" + version}
	if raceEnabled {
		args = append(args, "-race")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if migration != "" {
		file := path + ".sql"
		overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "manifest/migrations/00900_next.sql"): file}})
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(file, []byte("-- +goose Up\n"+migration+"\n"), 0o644)
		}
		if err == nil {
			err = os.WriteFile(path+".json", overlay, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "-overlay", path+".json")
	}
	cmd := exec.Command("go", append(args, "./cmd/pipedai-orchestrator")...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the daemon %s: %v\n%s", version, err, out)
	}
	return path
}

var builds sync.Mutex

// broken is a program that says what the one of path says, and starts as the
// script has it; $REAL is that one.
func broken(t testing.TB, path, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pipedai-orchestrator")
	text := "#!/bin/sh\nREAL='" + path + "'\n[ \"$1\" = version ] && exec \"$REAL\" \"$@\"\n" + script + "\n"
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func (h *faultHost) self() (out api.SelfStatus) {
	h.t.Helper()
	get(h.t, at(h.port, "/api/self"), h.key, &out)
	return out
}

// upgrade asks for it on the command line.
func (h *faultHost) upgrade(args ...string) result {
	h.t.Helper()
	return call(h.t, h.host.env, "pipedai-orchestrator", append([]string{"upgrade", "--self"}, args...)...)
}

// sameProcesses wants the workers to be what they were, and to write on.
func (h *faultHost) sameProcesses(before []seen, what string) {
	h.t.Helper()
	h.settle(func() string { return "after: " + what })
	if now := h.processes(); !slices.Equal(sorted(now), sorted(before)) {
		h.t.Fatalf("%s: the workers' processes were\n%v and are\n%v", what, before, now)
	}
}

func sorted(all []seen) []seen {
	out := slices.Clone(all)
	slices.SortFunc(out, func(a, b seen) int { return a.pid - b.pid })
	return out
}

func steadyHost(t testing.TB, workers int) *faultHost {
	t.Helper()
	kinds := map[string]string{}
	for i := range workers {
		kinds[fmt.Sprintf("w%02d", i)] = "steady"
	}
	kinds["w00"] = "quick"
	h := newFaultHost(t, kinds)
	h.boot(0)
	eventually(t, "all workers to run", func() bool {
		return !slices.ContainsFunc(h.workers(), func(w api.FusedWorker) bool { return w.Local == nil || w.Local.PID == nil })
	})
	h.configure()
	h.settle(h.nothing)
	return h
}

// Ten workers write lines while the daemon becomes another version, and another,
// and is killed and comes back as that.
func TestSelfUpgrade_workersDoNotNotice(t *testing.T) {
	t.Parallel()
	h := steadyHost(t, 10)
	before, pid := h.processes(), h.proc.cmd.Process.Pid
	next := daemonBuild(t, newVersion, "")

	var report struct {
		Version, WasVersion string
		PID, Kept           int
		Changed             []string
		Operation           api.Operation
	}
	decode(t, must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--from-local", next, "--json").out, &report)
	if report.Version != newVersion || report.WasVersion != oldVersion || report.PID != pid || report.Kept != 10 || len(report.Changed) > 0 {
		t.Errorf("report %+v", report)
	}
	h.sameProcesses(before, "upgrade")
	self := h.self()
	if self.Version != newVersion || self.PID != pid || self.Installed.Version != oldVersion || self.Installed.Pinned != newVersion || self.Upgrade != nil {
		t.Errorf("self %+v", self)
	}
	if out := must(t, h.host.env, "pipedai-orchestrator", "version").out; !strings.Contains(out, oldVersion) || !strings.Contains(out, "the daemon runs "+newVersion) {
		t.Errorf("version says %q", out)
	}
	must(t, h.host.env, "pipedai-orchestrator", "restart")
	if got := h.self(); got.Version != newVersion || got.PID != pid {
		t.Errorf("after a restart: %s, pid %d", got.Version, got.PID)
	}
	h.sameProcesses(before, "restart")

	h.proc.kill(t, syscall.SIGKILL)
	h.boot(0) // the installed program
	if got := h.self().Version; got != newVersion {
		t.Errorf("started again it is version %s", got)
	}
	h.sameProcesses(before, "kill")
	// Once more, from a version that is not the installed one.
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--from-local", daemonBuild(t, newerVersion, ""))
	h.sameProcesses(before, "second upgrade")
	if self := h.self(); self.Version != newerVersion || self.Installed.Previous != newVersion {
		t.Errorf("self %+v", self.Installed)
	}
	// And back, on purpose only.
	if r := h.upgrade("--from-local", next); r.code == 0 || !strings.Contains(r.err, "--allow-downgrade") {
		t.Errorf("an older one: %d %s", r.code, r.err)
	}
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--from-local", next, "--allow-downgrade")
	if got := h.self().Version; got != newVersion {
		t.Errorf("back it is version %s", got)
	}
	h.sameProcesses(before, "downgrade")
	// Back to what ran before that, and from the first upgrade to the installed one.
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--rollback")
	if got := h.self().Version; got != newerVersion {
		t.Errorf("back it is version %s", got)
	}
	h.sameProcesses(before, "rollback")
	for id, w := range h.book.workers {
		if w.marked+w.missing+w.alone > 0 {
			t.Errorf("%s: %d lines are missing", id, w.missing)
		}
	}
	h.finish()
}

func decode(t testing.TB, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// A version that does not do is left within its deadline, noted, and not tried
// again by itself. The daemon goes on as the same process.
func TestSelfUpgrade_U9_versionsThatDoNotDo(t *testing.T) {
	t.Parallel()
	real := daemonBuild(t, newVersion, "")
	const deadline = 4 * time.Second
	tests := []struct{ name, path, says string }{
		{"crashes", broken(t, real, "echo 'a great surprise' >&2; exit 1"), "a great surprise"},
		{"ends without a word", broken(t, real, "exit 0"), "ended"},
		{"hangs", broken(t, real, "sleep 1000"), "after 4s it has not even taken the lock"},
		{"hangs when it should be well", broken(t, real, `exec "$REAL" "$@" | grep -v healthy`), "after 4s"},
		{"does not let go", broken(t, real, `(cat; sleep 1000) | "$REAL" "$@"`), "did not let go"},
		{"cannot bind", broken(t, real, `exec "$REAL" "$@" --host 192.0.2.1`), "loopback"},
		{"reports another version", broken(t, daemonBuild(t, newerVersion, ""), "exec '"+real+"' \"$@\""), "calls itself version"},
		{"cannot open the manifest", daemonBuild(t, newVersion+"-badschema", "SELECT * FROM nowhere;\nPRAGMA user_version = 12;"), "no such table"},
	}
	h := steadyHost(t, 3)
	before, pid := h.processes(), h.proc.cmd.Process.Pid
	for _, test := range tests {
		began := time.Now()
		r := h.upgrade("--from-local", test.path, "--timeout", deadline.String())
		if r.code != 1 || !strings.Contains(r.err, test.says) || !strings.Contains(r.err, oldVersion+" goes on") {
			t.Fatalf("%s: exit code %d\n%s\n%s\ndaemon:\n%s", test.name, r.code, r.out, r.err, tail(h.proc.err.String()))
		}
		if took := time.Since(began); took > deadline+30*time.Second {
			t.Errorf("%s: it took %s", test.name, took)
		}
		self := h.self()
		if self.Version != oldVersion || self.PID != pid || self.Installed.Pinned != "" || len(self.Failed) == 0 {
			t.Fatalf("%s: self %+v", test.name, self)
		}
		h.sameProcesses(before, test.name)
	}
	// What a control plane would order is refused without another trial.
	version := h.self().Failed[0].Version
	if status, body := request(t, http.MethodPost, at(h.port, "/api/upgrade-self"), h.key, map[string]string{"version": version, "apiUrl": "http://127.0.0.1:9"}, nil); status/100 == 2 {
		t.Errorf("%s again: %d %s", version, status, body)
	}
	// The same program that does is taken.
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--from-local", real)
	h.sameProcesses(before, "one that does")
	h.finish()
}

// fussyPlane is a control plane that answers a version of the daemon only so
// often.
type fussyPlane struct {
	*httptest.Server
	mu    sync.Mutex
	left  map[string]int // by version; one that is not named has no limit
	heard map[string]int
}

func newFussyPlane(t testing.TB) *fussyPlane {
	p := &fussyPlane{left: map[string]int{}, heard: map[string]int{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/workspaces/ws/workers" {
			http.NotFound(w, r)
			return
		}
		_, agent, _ := strings.Cut(r.UserAgent(), "/")
		p.mu.Lock()
		left, limited := p.left[agent]
		p.left[agent], p.heard[agent] = left-1, p.heard[agent]+1
		if !limited {
			delete(p.left, agent)
		}
		p.mu.Unlock()
		if limited && left <= 0 {
			http.Error(w, `{"error":"go away"}`, http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"items":[]}`))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *fussyPlane) allow(version string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left[version] = n
}

// A version that does not reach a control plane which the one before reached is
// left in its trial; one that loses it right after, when it runs already.
func TestSelfUpgrade_U9_controlPlane(t *testing.T) {
	t.Parallel()
	p := newFussyPlane(t)
	h := newFaultHost(t, map[string]string{"w00": "steady", "w01": "quick"})
	h.connectTo(p.URL)
	h.boot(0)
	eventually(t, "all workers to run, and the control plane to answer", func() bool {
		self := h.self()
		return len(self.ControlPlanes) == 1 && self.ControlPlanes[0].Reachable &&
			!slices.ContainsFunc(h.workers(), func(w api.FusedWorker) bool { return w.Local == nil || w.Local.PID == nil })
	})
	h.configure()
	h.settle(h.nothing)
	before, pid := h.processes(), h.proc.cmd.Process.Pid
	for _, test := range []struct {
		name    string
		answers int
		says    string
	}{{"never heard", 0, "still waits"}, {"heard in the trial only", 1, "does not reach what " + oldVersion + " reached"}} {
		p.allow(newVersion, test.answers)
		r := h.upgrade("--from-local", daemonBuild(t, newVersion, ""), "--timeout", "5s", "--force")
		if r.code != 1 || !strings.Contains(r.err, test.says) || !strings.Contains(r.err, oldVersion+" goes on") {
			t.Fatalf("%s: %d %s %s\n%s", test.name, r.code, r.out, r.err, tail(h.proc.err.String()))
		}
		self := h.self()
		if self.Version != oldVersion || self.PID != pid || self.Installed.Pinned != "" || len(self.Failed) != 1 {
			t.Fatalf("%s: %+v", test.name, self)
		}
		h.sameProcesses(before, test.name)
	}
	p.allow(newVersion, 1<<30)
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--from-local", daemonBuild(t, newVersion, ""))
	h.sameProcesses(before, "heard")
	h.finish()
}

// connectTo makes the host's control plane, which nobody is, this one.
func (h *faultHost) connectTo(url string) {
	h.t.Helper()
	folder := filepath.Join(h.home, "orchestrator")
	files, err := filepath.Glob(filepath.Join(folder, "workers", "*.json"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(folder, "manifest.json")) {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(strings.ReplaceAll(string(data), "http://127.0.0.1:9", url)), 0o600)
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
	h.write(filepath.Join(folder, "credentials.json"), map[string]any{"version": 1, "operators": map[string]string{url: "hos_not-a-real-token"}})
}

// Two at once are one when they ask for the same, and refused otherwise; whoever
// asks is answered before the daemon goes.
func TestSelfUpgrade_U13_twoAtOnce(t *testing.T) {
	t.Parallel()
	h := steadyHost(t, 2)
	before := h.processes()
	ask := func(path string) (int, string, api.UpgradeSelfResult) {
		var out api.UpgradeSelfResult
		status, body := request(t, http.MethodPost, at(h.port, "/api/upgrade-self"), h.key, map[string]any{"fromLocal": path, "timeoutMs": 20000}, &out)
		return status, body, out
	}
	both := map[string]any{"version": "1.0.0", "fromLocal": "/x"}
	if status, body := request(t, http.MethodPost, at(h.port, "/api/upgrade-self"), h.key, both, nil); status != http.StatusBadRequest {
		t.Errorf("both: %d %s", status, body)
	}
	if status, body, _ := ask("relative/path"); status != http.StatusBadRequest {
		t.Errorf("a relative path: %d %s", status, body)
	}
	next, other := daemonBuild(t, newVersion, ""), daemonBuild(t, newerVersion, "")
	type answer struct {
		status int
		body   string
		result api.UpgradeSelfResult
	}
	answers := make(chan answer, 3)
	for _, path := range []string{next, next, other} {
		go func() {
			status, body, result := ask(path)
			answers <- answer{status, body, result}
		}()
	}
	ids := map[string]int{}
	refused := 0
	for range 3 {
		switch a := <-answers; a.status {
		case http.StatusOK:
			ids[a.result.Operation.ID]++
		case http.StatusConflict, http.StatusServiceUnavailable:
			refused++
		default:
			t.Errorf("answered %d %s", a.status, a.body)
		}
	}
	if len(ids) != 1 || refused == 0 {
		t.Errorf("operations %v, %d refused", ids, refused)
	}
	eventually(t, "one of them to be the daemon", func() bool {
		var self api.SelfStatus
		status, _ := request(t, http.MethodGet, at(h.port, "/api/self"), h.key, nil, &self)
		return status == http.StatusOK && self.Version != oldVersion && self.Upgrade == nil
	})
	h.sameProcesses(before, "two at once")
	h.finish()
}

// A version that changes the manifest so that the one before cannot follow, and
// then does not do, leaves the manifest as it was.
func TestSelfUpgrade_U14_schemaAndBack(t *testing.T) {
	t.Parallel()
	contracted := daemonBuild(t, newVersion+"-contracted", "ALTER TABLE events RENAME TO happenings;\nPRAGMA user_version = 900;")
	expanded := daemonBuild(t, newVersion+"-expanded", "ALTER TABLE entries ADD COLUMN colour TEXT NOT NULL DEFAULT '';\nPRAGMA user_version = 12;")
	h := steadyHost(t, 2)
	before := h.processes()
	for name, path := range map[string]string{"contracted": contracted, "expanded": expanded} {
		r := h.upgrade("--from-local", broken(t, path, `"$REAL" "$@" | grep -v healthy`), "--timeout", "4s")
		if r.code != 1 || h.self().Version != oldVersion {
			t.Fatalf("%s: %d %s %s\n%s", name, r.code, r.out, r.err, tail(h.proc.err.String()))
		}
		h.sameProcesses(before, name)
	}
	// One that does, and is left for good: the installed program says what helps.
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--from-local", expanded)
	h.sameProcesses(before, "the expanded one does")
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--rollback")
	if self := h.self(); self.Version != oldVersion || self.Installed.Pinned != "" {
		t.Fatalf("back it is %s %+v", self.Version, self.Installed)
	}
	h.sameProcesses(before, "back to the installed program")
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--rollback")
	if self := h.self(); self.Version != newVersion+"-expanded" {
		t.Fatalf("and back again it is %s %+v", self.Version, self.Installed)
	}
	h.sameProcesses(before, "and back again")
	h.proc.kill(t, syscall.SIGKILL)
	if err := os.Remove(filepath.Join(h.home, "orchestrator", "self.json")); err != nil {
		t.Fatal(err)
	}
	h.boot(0)
	h.sameProcesses(before, "the installed program on the expanded manifest")
	h.finish()
}

// The confirmed version goes away under the daemon, or ends at each start.
func TestSelfUpgrade_pinThatIsGone(t *testing.T) {
	t.Parallel()
	h := steadyHost(t, 2)
	before := h.processes()
	must(t, h.host.env, "pipedai-orchestrator", "upgrade", "--self", "--from-local", daemonBuild(t, newVersion, ""))
	pinned := pinnedFile(t, h)
	again := func() {
		t.Helper()
		h.proc.kill(t, syscall.SIGKILL)
		h.boot(0)
	}
	// Its file is away: the installed program runs, and says so.
	if err := os.Rename(pinned, pinned+".away"); err != nil {
		t.Fatal(err)
	}
	again()
	if got := h.self().Version; got != oldVersion || !strings.Contains(h.proc.err.String(), "is missing") {
		t.Errorf("version %s\n%s", got, h.proc.err.String())
	}
	h.sameProcesses(before, "missing")
	h.event("self.pin-ignored")
	// Somebody changed it.
	if err := os.WriteFile(pinned, []byte("#!/bin/sh\ntouch "+h.home+"/evil\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	again()
	if got := h.self().Version; got != oldVersion || !strings.Contains(h.proc.err.String(), "not the one that was confirmed") {
		t.Errorf("version %s\n%s", got, h.proc.err.String())
	}
	if _, err := os.Stat(filepath.Join(h.home, "evil")); err == nil {
		t.Error("the changed file ran")
	}
	// It is back.
	if err := os.Rename(pinned+".away", pinned); err != nil {
		t.Fatal(err)
	}
	again()
	if got := h.self().Version; got != newVersion {
		t.Errorf("version %s", got)
	}
	// It ends soon after each of its starts.
	for range 3 {
		again()
	}
	if got := h.self().Version; got != oldVersion {
		t.Errorf("after deaths it is version %s", got)
	}
	h.sameProcesses(before, "deaths")
	h.event("self.returned")
	if self := h.self(); self.Installed.Pinned != "" || len(self.Failed) != 1 || self.Failed[0].Version != newVersion {
		t.Errorf("self %+v %+v", self.Installed, self.Failed)
	}
	h.finish()
}

func pinnedFile(t testing.TB, h *faultHost) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.home, "orchestrator", "self.json"))
	if err != nil {
		t.Fatal(err)
	}
	var state struct{ Pin struct{ Program string } }
	decode(t, string(data), &state)
	return state.Pin.Program
}

// event waits for an event of the host.
func (h *faultHost) event(kind string) {
	h.t.Helper()
	eventually(h.t, "the event "+kind, func() bool {
		var events api.HostEvents
		get(h.t, at(h.port, "/api/events?limit=1000"), h.key, &events)
		return slices.ContainsFunc(events.Items, func(e api.HostEvent) bool { return e.Type == kind })
	})
}

// Something is killed at any instant of an upgrade: the daemon, the version that
// is tried, or the one that it became. It ends as the one version or the other,
// and no worker notices. PIPEDAI_SELF_KILLS makes it longer (make test-long: 40),
// PIPEDAI_SELF_SEED repeats a choice of instants.
func TestSelfUpgrade_kills(t *testing.T) {
	t.Parallel()
	seed := uint64(setting(t, "PIPEDAI_SELF_SEED", int(time.Now().UnixNano()&0xffff)))
	chance := rand.New(rand.NewPCG(seed, 1))
	versions := []string{daemonBuild(t, newVersion, ""), daemonBuild(t, newerVersion, "")}
	h := steadyHost(t, 4)
	before := h.processes()
	ends, story := map[string]int{}, []string{}
	for round := range setting(t, "PIPEDAI_SELF_KILLS", 8) {
		was := h.self().Version
		to := versions[round%2]
		var result api.UpgradeSelfResult
		ask := map[string]any{"fromLocal": to, "allowDowngrade": true, "timeoutMs": 20000}
		if status, body := request(t, http.MethodPost, at(h.port, "/api/upgrade-self?async=1"), h.key, ask, &result); status != http.StatusAccepted {
			t.Fatalf("round %d: %d %s", round, status, body)
		}
		wait, victim, child := time.Duration(chance.IntN(600))*time.Millisecond, "daemon", 0
		if round%4 > 1 { // during the trial, or soon after it
			wait = time.Duration(chance.IntN(40)) * time.Millisecond
			for end := time.Now().Add(patience); child == 0 && time.Now().Before(end); {
				<-time.After(time.Millisecond)
				child = h.trial()
			}
		}
		<-time.After(wait)
		if round%4 == 3 {
			victim = "trial"
			_ = syscall.Kill(child, syscall.SIGKILL)
		} else {
			h.proc.kill(t, syscall.SIGKILL)
			h.boot(0)
		}
		story = append(story, fmt.Sprintf("round %d: %s killed after %s", round, victim, wait))
		var op api.Operation
		eventually(t, "the upgrade to end: "+strings.Join(story, "; "), func() bool {
			status, _ := request(t, http.MethodGet, at(h.port, "/api/operations/"+result.Operation.ID), h.key, nil, &op)
			return status == http.StatusOK && !op.EndedAt.IsZero() && h.ready()
		})
		now := h.self().Version
		if want := map[string]string{"succeeded": version(to), "failed": was}[op.Status]; now != want {
			t.Fatalf("seed %d, %v: the operation %s (%s), and the daemon is version %s", seed, story, op.Status, op.Error, now)
		}
		ends[victim+" "+op.Status]++
		h.sameProcesses(before, strings.Join(story, "; "))
		h.settleStart()
	}
	t.Logf("seed %d: %v", seed, ends)
	h.finish()
}

func version(path string) string { return strings.Split(filepath.Base(path), "-")[1] }

// settleStart has the pinned version count as one that came up: many are killed
// in a row here, and not for their own sake.
func (h *faultHost) settleStart() {
	must(h.t, h.host.env, "pipedai-orchestrator", "restart")
}

// trial is the pid of the version that is tried; 0 when none is.
func (h *faultHost) trial() int {
	for _, pid := range pids() {
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil || pid == h.proc.cmd.Process.Pid || !strings.HasPrefix(exe, h.home+"/orchestrator/versions/pipedai-orchestrator/") {
			continue
		}
		// Not one that is asked for its version.
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(line), "\x00start\x00") {
			return pid
		}
	}
	return 0
}
