package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
)

// lone is a worker program without a daemon, enrolled under a hostname of its
// own so that several share this machine.
type lone struct {
	home, config string
	env          []string
}

// enrolWorker redeems a code for a worker and writes its worker.json. Its work
// goes to the control plane by the address given.
func (p *plane) enrolWorker(t testing.TB, hostname, address string) *lone {
	t.Helper()
	var issued api.IssuedCode
	request(t, http.MethodPost, p.url("/api/v1/enrollments/codes"), p.token(t), api.IssueCodeRequest{}, &issued)
	var got api.RedeemResult
	status, body := request(t, http.MethodPost, p.url("/api/v1/enrollments/redeem"), "",
		api.RedeemRequest{Code: issued.Code, Hostname: hostname, OS: "linux", Version: "1.0.0"}, &got)
	if status != http.StatusOK {
		t.Fatalf("redeem: status %d: %s", status, body)
	}
	w := &lone{home: t.TempDir()}
	w.config = filepath.Join(w.home, "worker.json")
	w.env = baseEnv(w.home, "PIPEDAI_HOME="+filepath.Join(w.home, "pipedai"))
	data, err := json.Marshal(map[string]any{
		"workerId": got.WorkerID, "workerToken": got.WorkerToken, "apiUrl": address, "workspaceId": got.WorkspaceID, "isPool": false, "kept": "mine",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.config, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *lone) start(t testing.TB, args ...string) *proc {
	t.Helper()
	return start(t, w.env, "pipedai-worker", append([]string{"run", "--config", w.config}, args...)...)
}

// member reads one member of worker.json.
func (w *lone) member(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	text, _ := members[name].(string)
	return text
}

// gatedTasks is a service of one task that reads a pipe to its end: as many
// runs as there are wait until open is called.
func gatedTasks(t testing.TB, settings string) (file string, open func()) {
	t.Helper()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "gate")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "tasks.yaml")
	text := "service: gated\nversion: 1.0.0\ntasks:\n  - id: gated\n    command: [/bin/sh, -c, 'echo waiting >&2; cat " + pipe + " >/dev/null; echo 1']\n" + settings
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Kept open for writing once opened: who comes later does not wait.
	return file, sync.OnceFunc(func() {
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				_ = f.Close()
			}
		}
		_ = os.Remove(pipe)
		_ = os.WriteFile(pipe, nil, 0o600)
	})
}

func (p *plane) taskRun(t testing.TB, id string) (run api.TaskRun) {
	t.Helper()
	get(t, p.url("/api/task-runs/"+id), "", &run)
	return run
}

// queued queues so many runs of the gated task.
func (p *plane) queued(t testing.TB, n int) (ids []string) {
	t.Helper()
	for range n {
		ids = append(ids, p.queue(t, "gated", nil))
	}
	return ids
}

func (p *plane) counts(t testing.TB) (out api.QueueStatus) {
	t.Helper()
	get(t, p.url("/api/queue/status"), "", &out)
	return out
}

// TestTokens_T4_rotationUnderLoad: a worker's token is replaced while it has a
// hundred runs in hand, and no run notices. The file is replaced with all that
// others keep in it, both tokens are good meanwhile, and a worker that is
// started again goes on with the new one.
func TestTokens_T4_rotationUnderLoad(t *testing.T) {
	t.Parallel()
	const n = 100
	p := newPlane(t, "")
	p.env = append(p.env, "MAX_CONCURRENCY=200")
	p.start(t)
	w := p.enrolWorker(t, "box", p.url(""))
	file, open := gatedTasks(t, "    heartbeat: 2s\n")
	worker := w.start(t, "--tasks", file, "--slots", fmt.Sprint(n+10))
	p.ready(t, "gated")
	ids := p.queued(t, n)
	eventually(t, "all runs to run", func() bool { return p.counts(t).Running == n })

	old := w.member(t, "workerToken")
	p.cli(t, "workers", "rotate-token", w.member(t, "workerId"))
	eventually(t, "the token to be replaced", func() bool { return w.member(t, "workerToken") != old })
	worker.says(t, "token was replaced")
	fresh := w.member(t, "workerToken")
	if w.member(t, "kept") != "mine" || !strings.HasPrefix(fresh, "wkt_") {
		t.Errorf("worker.json lost what others keep in it")
	}
	for name, token := range map[string]string{"old": old, "new": fresh} {
		if status, body := request(t, http.MethodPost, p.url("/api/v1/workers/self/events"), token, map[string]any{"type": "worker.started"}, nil); status/100 != 2 {
			t.Errorf("the %s token: status %d: %s", name, status, body)
		}
	}
	if status, _ := request(t, http.MethodPost, p.url("/api/v1/workers/self/rotate"), old, nil, nil); status != http.StatusConflict {
		t.Errorf("the old token makes another one: status %d, want 409", status)
	}
	more := p.queued(t, 5) // claimed with the new one
	eventually(t, "more runs to run", func() bool { return p.counts(t).Running == n+5 })
	open()
	eventually(t, "all runs to end", func() bool { c := p.counts(t); return c.Running == 0 && c.Pending == 0 })
	for _, id := range append(ids, more...) {
		if run := p.taskRun(t, id); run.Status != "completed" || run.Attempt != 1 || len(run.PreviousAttempts) != 0 {
			t.Errorf("%s is %s at attempt %d: %s", id, run.Status, run.Attempt, run.Error)
		}
	}
	if strings.Contains(worker.out.String()+worker.err.String(), "heartbeat was not delivered") {
		t.Errorf("a heartbeat failed:\n%s", tail(worker.err.String()))
	}
	var page api.TaskRunEvents
	eventually(t, "the events of a run", func() bool {
		get(t, p.url("/api/task-runs/"+ids[0]+"/events"), "", &page)
		return len(page.Items) >= 3
	})
	if first, last := page.Items[0], page.Items[len(page.Items)-1]; first.Type != "system" || last.Type != "result" || !strings.Contains(string(last.Payload), "success") {
		t.Errorf("events %+v", page.Items)
	}
	if r := p.cli(t, "runs", "events", ids[0]); !strings.Contains(r.out, "waiting") || !strings.Contains(r.out, "success") {
		t.Errorf("runs events printed:\n%s", r.both())
	}

	worker.kill(t, syscall.SIGKILL)
	again := w.start(t, "--tasks", file)
	again.says(t, "connected")
	again.stop(t)
}

// valve is a TCP proxy whose connections can be held: open ones and new ones
// stay, and nothing comes through, as on a network that swallows packets.
type valve struct {
	url  string
	mu   sync.Mutex
	cond *sync.Cond
	shut bool
}

func newValve(t testing.TB, to string) *valve {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{url: "http://" + l.Addr().String()}
	v.cond = sync.NewCond(&v.mu)
	var all sync.WaitGroup
	var conns sync.Map
	t.Cleanup(func() {
		v.set(false)
		_ = l.Close()
		conns.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
		all.Wait()
	})
	pass := func(dst, src net.Conn) {
		buf := make([]byte, 16<<10)
		for {
			n, err := src.Read(buf)
			v.mu.Lock()
			for v.shut {
				v.cond.Wait()
			}
			v.mu.Unlock()
			if _, failed := dst.Write(buf[:n]); err != nil || failed != nil {
				_ = dst.Close()
				return
			}
		}
	}
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(to, "http://"))
			if err != nil {
				_ = in.Close()
				continue
			}
			conns.Store(in, nil)
			conns.Store(out, nil)
			all.Go(func() { pass(out, in) })
			all.Go(func() { pass(in, out) })
		}
	})
	return v
}

func (v *valve) set(shut bool) {
	v.mu.Lock()
	v.shut = shut
	v.mu.Unlock()
	v.cond.Broadcast()
}

// lost brings about that a worker does a run and cannot say so: its connection
// is cut while it works, and another worker gets the run.
func lost(t *testing.T, during func(first *proc, v *valve)) {
	t.Helper()
	p := newPlane(t, "")
	v := newValve(t, p.url(""))
	p.env = append(p.env, "PIPEWEAVE_ALLOW_HOSTS="+strings.TrimPrefix(v.url, "http://"))
	p.start(t)
	file, open := gatedTasks(t, "    heartbeat: 1s\n")
	first := p.enrolWorker(t, "first", v.url).start(t, "--tasks", file)
	p.ready(t, "gated")
	id := p.queue(t, "gated", nil)
	eventually(t, "the run to run", func() bool { return p.taskRun(t, id).Status == "running" })
	v.set(true)
	open() // it ends now, and its report goes nowhere
	during(first, v)
	second := p.enrolWorker(t, "second", p.url("")).start(t, "--tasks", file)
	var run api.TaskRun
	eventually(t, "the run to be done elsewhere", func() bool { run = p.taskRun(t, id); return run.Status == "completed" })
	// A claim of the first one that waited already may take an attempt with it.
	lostForWork := slices.ContainsFunc(run.PreviousAttempts, func(a api.PreviousAttempt) bool { return a.ReasonClass != "infra" })
	if run.Attempt < 2 || len(run.PreviousAttempts) != run.Attempt-1 || lostForWork {
		t.Errorf("got attempt %d after %+v, want one that follows those that ended as infra", run.Attempt, run.PreviousAttempts)
	}
	second.stop(t)
	if !first.running() {
		return
	}
	v.set(false) // its report arrives: another attempt has followed
	eventually(t, "the report to be refused", func() bool {
		return strings.Contains(first.out.String()+first.err.String(), "does not wait for the report")
	})
	if after := p.taskRun(t, id); after.Attempt != run.Attempt || after.Status != "completed" || after.OutputPath != run.OutputPath {
		t.Errorf("the late report changed the run to %+v", after)
	}
	next := p.queue(t, "gated", nil)
	eventually(t, "the worker to go on", func() bool { return p.taskRun(t, next).Status == "completed" })
	first.stop(t)
}

// TestWorker_lostWithItsReport: a report is kept in memory. A worker that is
// killed before it could deliver one loses it, and its run is done again.
func TestWorker_lostWithItsReport(t *testing.T) {
	t.Parallel()
	lost(t, func(first *proc, _ *valve) { first.kill(t, syscall.SIGKILL) })
}

// TestWorker_partitioned: a worker that comes back after its run went to another
// one has its report refused, changes nothing, and goes on.
func TestWorker_partitioned(t *testing.T) {
	t.Parallel()
	lost(t, func(*proc, *valve) {})
}
