package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/api"
	"pipedai/internal/sqlitefile"
)

// faultHost is a host whose workers are hostworkers, and which knows what must
// be true of it whatever happened to it.
type faultHost struct {
	*host
	t     testing.TB
	kinds map[string]string // what each worker is, by its id
	book  *lineBook
	key   string // token of the local API
	args  []string

	verbs sync.WaitGroup
	mu    sync.Mutex
	bad   []string // answers that must not be
	asked map[string]asked

	fds int // open in the daemon when all was well for the first time
}

// asked is what was last asked for a worker.
type asked struct {
	running  bool
	open     int  // answers that are to come
	doubtful bool // asked for side by side, or never answered
}

// newFaultHost prepares a host with these workers. Their manifest is one of
// the older program, which the first start imports.
// before is called with the folder of the logs, before anything is in it.
func newFaultHost(t testing.TB, kinds map[string]string, before ...func(logs string)) *faultHost {
	t.Helper()
	h := &faultHost{host: newHost(t), t: t, kinds: kinds, asked: map[string]asked{}}
	truth := filepath.Join(t.TempDir(), "truth")
	folder := filepath.Join(h.home, "orchestrator", "workers")
	for _, dir := range []string{truth, folder, filepath.Join(h.home, "logs")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, do := range before {
		do(filepath.Join(h.home, "logs"))
	}
	h.book = newLineBook(filepath.Join(h.home, "logs"), truth)
	entries := []map[string]any{}
	const nobody = "http://127.0.0.1:9" // no control plane: a host must do without
	for _, id := range slices.Sorted(maps.Keys(kinds)) {
		config := filepath.Join(folder, id+".json")
		h.write(config, map[string]any{"workerId": id, "workerToken": "wkt_" + id, "apiUrl": nobody, "workspaceId": "ws"})
		state := "enabled"
		if kinds[id] == "idle" {
			state = "disabled"
		}
		entries = append(entries, map[string]any{"id": id, "label": id, "apiUrl": nobody, "workspaceId": "ws", "configPath": config,
			"mode": "workspace", "desiredState": state})
	}
	h.write(filepath.Join(h.home, "orchestrator", "manifest.json"), map[string]any{"version": 1, "workers": entries})
	h.host.env = append(h.host.env, "E2E_TRUTH="+truth)
	h.args = []string{"start", "--port", fmt.Sprint(h.port), "--worker-program", filepath.Join(bin, "hostworker"), "--stop-grace", "300ms",
		"--probe-internet", "off", "--log-max-size", "1", "--log-backups", "100"}
	t.Cleanup(h.end)
	return h
}

func (h *faultHost) write(path string, value any) {
	h.t.Helper()
	data, err := json.Marshal(value)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// boot starts the daemon and waits until it looks after the workers. While a
// limit is on it may fail to: then the limit is taken off.
func (h *faultHost) boot(limit uint64) {
	h.t.Helper()
	for tries := 1; ; tries++ {
		h.proc = startCmd(h.t, h.daemon(), "daemon")
		if limit > 0 {
			h.limit(limit)
		}
		for deadline := time.Now().Add(patience); time.Now().Before(deadline) && h.proc.running(); <-time.After(10 * time.Millisecond) {
			if h.ready() {
				h.up()
				return
			}
			if limit > 0 && time.Until(deadline) < patience-time.Second {
				h.limit(1 << 16)
			}
		}
		if h.proc.running() || limit == 0 && tries == 3 {
			h.t.Fatalf("the daemon does not come up (try %d):\n%s", tries, tail(h.proc.err.String()))
		}
		if limit == 0 && !strings.Contains(h.proc.err.String(), "locked") {
			h.t.Fatalf("the daemon ended with exit code %d:\n%s", h.proc.code, tail(h.proc.err.String()))
		}
		limit = 0
	}
}

func (h *faultHost) daemon() *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, "pipedai-orchestrator"), h.args...)
	cmd.Env, cmd.Dir = h.host.env, h.home
	return cmd
}

// ready asks once, in a moment.
func (h *faultHost) ready() bool {
	if h.key == "" {
		h.key = h.token(h.t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at(h.port, "/api/self"), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// down and up bracket the time without a daemon.
func (h *faultHost) down() {
	h.book.downs = append(h.book.downs, window{from: time.Now()})
}

func (h *faultHost) up() {
	if n := len(h.book.downs); n > 0 && h.book.downs[n-1].to.IsZero() {
		h.book.downs[n-1].to = time.Now()
	}
}

// limit sets how many descriptors the daemon may have.
func (h *faultHost) limit(n uint64) {
	var now unix.Rlimit
	if err := unix.Prlimit(h.proc.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &now); err != nil {
		return // it ended
	}
	now.Cur = min(n, now.Max)
	_ = unix.Prlimit(h.proc.cmd.Process.Pid, unix.RLIMIT_NOFILE, &now, nil)
}

// configure gives every worker its kind, and restarts without end.
func (h *faultHost) configure() {
	h.t.Helper()
	for id, kind := range h.kinds {
		backoff, budget := []int64{10, 20, 50}, -1
		switch kind {
		case "broken":
			backoff = []int64{300}
		case "brief":
			backoff = []int64{1}
		}
		change := api.WorkerSettingsChange{
			Env:     map[string]*string{"E2E_WORKER": &id, "E2E_KIND": &kind},
			Restart: &api.WorkerRestartsChange{BackoffMs: &backoff, Budget: &budget},
		}
		if status, body := request(h.t, http.MethodPatch, at(h.port, "/api/workers/"+id), h.key, change, nil); status != http.StatusOK {
			h.t.Fatalf("configure %s: %d %s", id, status, body)
		}
	}
	for id, kind := range h.kinds {
		if kind != "idle" {
			h.verb(id, "restart?now=true")
		}
	}
	h.verbs.Wait()
	for id, a := range h.asked {
		if a.doubtful {
			h.t.Fatalf("the restart of %s was not confirmed\n%s", id, tail(h.proc.err.String()))
		}
	}
}

// verb asks for something and does not wait for the answer.
func (h *faultHost) verb(id, verb string) {
	h.mu.Lock()
	was := h.asked[id]
	h.asked[id] = asked{running: !strings.HasPrefix(verb, "stop"), open: was.open + 1, doubtful: was.open > 0}
	h.mu.Unlock()
	h.verbs.Go(func() {
		status, body := request(h.t, http.MethodPost, at(h.port, "/api/workers/"+id+"/"+verb), h.key, struct{}{}, nil)
		h.mu.Lock()
		defer h.mu.Unlock()
		now := h.asked[id]
		now.open--
		if status != http.StatusOK {
			now.doubtful = true
		}
		h.asked[id] = now
		switch status {
		case 0, http.StatusOK, http.StatusConflict, http.StatusServiceUnavailable:
		default:
			h.bad = append(h.bad, fmt.Sprintf("%s of %s was answered %d %s", verb, id, status, body))
		}
	})
}

// seen is a process of this host.
type seen struct {
	pid    int
	worker string
	child  bool
}

// processes finds what runs for this host, by a mark in the environment.
func (h *faultHost) processes() []seen {
	mark := "PIPEDAI_HOME=" + h.home
	var all []seen
	for _, p := range oursLinux() {
		if !strings.HasSuffix(p.exe, "/hostworker") {
			continue
		}
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid))
		env := strings.Split(string(data), "\x00")
		if !slices.Contains(env, mark) {
			continue
		}
		s := seen{pid: p.pid}
		for _, v := range slices.Backward(env) {
			if name, ok := strings.CutPrefix(v, "E2E_WORKER="); ok {
				s.worker, s.child = strings.CutSuffix(name, "+child")
				break
			}
		}
		all = append(all, s)
	}
	return all
}

// zombies counts the ended children that the daemon did not wait for.
func (h *faultHost) zombies() int {
	n := 0
	for _, pid := range pids() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		var state string
		var parent int
		if _, err := fmt.Sscan(rest, &state, &parent); err == nil && parent == h.proc.cmd.Process.Pid && state == "Z" {
			n++
		}
	}
	return n
}

// settle waits until everything that must be true is.
func (h *faultHost) settle(story func() string) {
	h.t.Helper()
	h.verbs.Wait()
	for _, p := range h.processes() {
		_ = syscall.Kill(p.pid, syscall.SIGCONT)
	}
	deadline := time.Now().Add(patience)
	for {
		err := h.sound()
		if wrong := append(h.book.wrong(), h.bad...); len(wrong) > 0 {
			h.t.Fatalf("%s\n%s\ndaemon:\n%s", strings.Join(wrong, "\n"), story(), tail(h.proc.err.String()))
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("it does not come to rest: %v\n%s\ndaemon:\n%s", err, story(), tail(h.proc.err.String()))
		}
		<-time.After(50 * time.Millisecond)
	}
}

// sound says what is not as it must be.
func (h *faultHost) sound() error {
	var list api.FusedWorkers
	if status, body := request(h.t, http.MethodGet, at(h.port, "/api/workers"), h.key, nil, &list); status != http.StatusOK {
		return fmt.Errorf("the daemon answers %d %s", status, body)
	}
	if len(list.Items) != len(h.kinds) {
		return fmt.Errorf("%d workers, want %d", len(list.Items), len(h.kinds))
	}
	procs := h.processes()
	alive, live := map[int]bool{}, 0
	for _, p := range procs {
		alive[p.pid] = true
		if !p.child {
			live++
		}
	}
	for _, w := range list.Items {
		if err := h.right(w, procs); err != nil {
			return err
		}
	}
	all := h.book.writers(h.t, alive)
	for id := range h.kinds {
		if err := h.book.read(id); err != nil {
			return err
		}
	}
	if err := h.book.settle(all); err != nil {
		return err
	}
	if n := h.zombies(); n > 0 {
		return fmt.Errorf("%d zombies", n)
	}
	return errors.Join(h.tidy(live), h.intact())
}

// workers are what the daemon says.
func (h *faultHost) workers() []api.FusedWorker {
	h.t.Helper()
	var list api.FusedWorkers
	get(h.t, at(h.port, "/api/workers"), h.key, &list)
	return list.Items
}

// count says how many processes a worker has.
func (h *faultHost) count(worker string) int {
	n := 0
	for _, p := range h.processes() {
		if p.worker == worker {
			n++
		}
	}
	return n
}

// manifest changes the manifest while no daemon is there.
func (h *faultHost) manifest(query string) {
	h.t.Helper()
	db, err := sqlitefile.Open(context.Background(), filepath.Join(h.home, "orchestrator", "manifest.db"), sqlitefile.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Writer.Exec(query); err != nil {
		h.t.Fatal(err)
	}
}

// right says what is wrong with one worker.
func (h *faultHost) right(w api.FusedWorker, procs []seen) error {
	h.mu.Lock()
	want, known := h.asked[w.ID]
	h.mu.Unlock()
	if known && !want.doubtful && want.running != w.Running {
		return fmt.Errorf("%s: %v was asked for and confirmed, the manifest has %v", w.ID, want.running, w.Running)
	}
	var leaders, children []int
	for _, p := range procs {
		switch {
		case p.worker != w.ID:
		case p.child:
			children = append(children, p.pid)
		default:
			leaders = append(leaders, p.pid)
		}
	}
	if w.Local == nil {
		return fmt.Errorf("%s: the daemon knows of no process", w.ID)
	}
	pid := 0
	if w.Local.PID != nil {
		pid = *w.Local.PID
	}
	what := fmt.Sprintf("%s (running %v): state %s, pid %d, processes %v, children %v, last error %q",
		w.ID, w.Running, w.Local.State, pid, leaders, children, w.Local.LastError)
	restless := slices.Contains([]string{"broken", "brief", "quitter"}, h.kinds[w.ID])
	switch {
	case !w.Running && (w.Local.State != "stopped" || len(leaders)+len(children) > 0):
		return errors.New(what)
	case !w.Running:
	case restless && (len(leaders) > 1 || w.Local.State == "stopped" || w.Local.State == "crashed"):
		return errors.New(what)
	case restless:
	case w.Local.State != "running" || w.Local.Draining || !slices.Equal(leaders, []int{pid}):
		return errors.New(what)
	case h.kinds[w.ID] == "parent" && len(children) != 1:
		return errors.New(what)
	}
	return nil
}

// tidy says what has piled up.
func (h *faultHost) tidy(live int) error {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.proc.cmd.Process.Pid))
	if err != nil {
		return err
	}
	if h.fds == 0 {
		h.fds = len(fds)
	}
	// What differs: who asks right now, and which of the workers run.
	if room := 4*len(h.kinds) + 8; len(fds) > h.fds+room {
		return fmt.Errorf("the daemon has %d descriptors open, it had %d", len(fds), h.fds)
	}
	files, err := os.ReadDir(filepath.Join(h.home, "orchestrator", "fifo"))
	if err != nil {
		return err
	}
	rounds := 0
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".") {
			rounds++
		}
	}
	if n := len(files) - rounds; n > 2*(live+1) || rounds > 16 {
		return fmt.Errorf("%d FIFOs for %d processes, and %d progress records", n, live, rounds)
	}
	return nil
}

// intact looks at every page of the manifest.
func (h *faultHost) intact() error {
	db, err := sqlitefile.Open(context.Background(), filepath.Join(h.home, "orchestrator", "manifest.db"), sqlitefile.Options{CheckWhole: true})
	if err != nil {
		return err
	}
	return db.Close()
}

// finish stops the daemon and wants nothing to be left.
func (h *faultHost) finish() {
	h.t.Helper()
	h.proc.stop(h.t)
	for _, p := range h.processes() {
		h.t.Errorf("left behind by the daemon: %d of %s", p.pid, p.worker)
	}
}

// end clears up after a test that failed: its daemon is gone by now.
func (h *faultHost) end() {
	h.verbs.Wait()
	for _, p := range h.processes() {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
}

// born is what identifies this life of the daemon, also one that replaced its
// own program.
func (h *faultHost) born() string {
	data, _ := os.ReadFile(filepath.Join(h.home, "orchestrator", "daemon.json"))
	var info struct{ StartedAt string }
	_ = json.Unmarshal(data, &info)
	return strconv.Itoa(h.proc.cmd.Process.Pid) + info.StartedAt
}
