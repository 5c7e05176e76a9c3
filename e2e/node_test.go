package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
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

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
)

// nodeWorker is testdata/node-worker.mjs: a worker as they run in the field, in
// a process of its own. It can be killed and started again on its port.
type nodeWorker struct {
	service, secret string
	port            int
	temp            string
	engine          string
	proc            *proc
}

// startNode starts a worker that reaches the engine at an address.
func startNode(t testing.TB, service, engine, secret string) *nodeWorker {
	t.Helper()
	w := &nodeWorker{service: service, secret: secret, port: freePort(t), temp: t.TempDir(), engine: engine}
	w.start(t)
	return w
}

func (w *nodeWorker) start(t testing.TB) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("the workers of this test are programs for Node 18 or newer, which the pages need too: install nodejs")
	}
	script, err := filepath.Abs("testdata/node-worker.mjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, script)
	cmd.Env = baseEnv(w.temp, "ENGINE="+w.engine, "SERVICE="+w.service, "SECRET="+w.secret, fmt.Sprint("PORT=", w.port), "TEMP="+w.temp)
	w.proc = startCmd(t, cmd, "node worker "+w.service)
	w.proc.says(t, `"event":"registered"`)
}

// told is one line of what a worker says.
type told struct {
	Event         string
	URL           string
	RunID         string
	Headers       map[string]string
	Body          map[string]any
	Status        int
	Error         string
	OrphanedTasks []string
}

// told returns the events of a kind about one task run, under any of its wire ids.
func (w *nodeWorker) told(t testing.TB, event, run string) []told {
	t.Helper()
	var out []told
	text := w.proc.out.String()
	for line := range strings.Lines(text[:strings.LastIndex(text, "\n")+1]) {
		var e told
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("the worker said %q: %v", line, err)
		}
		id := e.RunID
		if id == "" {
			id, _ = e.Body["runId"].(string)
		}
		if e.Event == event && (run == "" || id == run || strings.HasPrefix(id, run+".")) {
			out = append(out, e)
		}
	}
	return out
}

// lossy stands between workers and the engine and loses callbacks: of task
// "lost" the first success on its way there, of "unheard" the answer to it.
func lossy(t testing.TB, p *plane) string {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]bool{}
	first := func(task string) bool {
		mu.Lock()
		defer mu.Unlock()
		was := seen[task]
		seen[task] = true
		return !was
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		drop := ""
		if wire, found := strings.CutPrefix(r.URL.Path, "/api/callback/"); found && bytes.Contains(body, []byte(`"status":"success"`)) {
			id, _, _ := strings.Cut(wire, ".")
			var run api.TaskRun
			request(t, http.MethodGet, p.url("/api/task-runs/"+id), "", nil, &run)
			if (run.TaskID == "lost" || run.TaskID == "unheard") && first(run.TaskID) {
				drop = run.TaskID
			}
		}
		if drop == "lost" {
			panic(http.ErrAbortHandler)
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, p.url(r.URL.RequestURI()), bytes.NewReader(body))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		req.Header = r.Header.Clone()
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		if drop == "unheard" {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// queue queues one task run by itself and returns its id.
func (p *plane) queue(t testing.TB, task string, input any) string {
	t.Helper()
	var answer api.QueuedTask
	status, body := request(t, http.MethodPost, p.url("/api/queue/task"), "", map[string]any{"taskId": task, "input": input}, &answer)
	if status != http.StatusOK {
		t.Fatalf("queue %s: status %d: %s", task, status, body)
	}
	return answer.RunID
}

// task waits for the end of a task run.
func (p *plane) task(t testing.TB, id, want string) api.TaskRun {
	t.Helper()
	var run api.TaskRun
	eventually(t, "task run "+id+" to end", func() bool {
		get(t, p.url("/api/task-runs/"+id), "", &run)
		return run.Status != "pending" && run.Status != "running"
	})
	if run.Status != want {
		t.Errorf("%s is %s (%s %s) after %v; want %s", run.TaskID, run.Status, run.ErrorCode, run.Error, run.PreviousAttempts, want)
	}
	return run
}

// TestNode drives workers of the field against the real control plane on both
// of its databases.
func TestNode(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(testing.TB) string{
		"sqlite":   func(testing.TB) string { return "" },
		"postgres": postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPlane(t, database(t))
			w := startNode(t, "node", lossy(t, p), secretKey)
			n := &nodeTest{p, w}
			for name, test := range map[string]func(*testing.T){
				"a join behind an optional branch": n.pipeline,
				"no successor":                     n.noSuccessor,
				"a task by itself":                 n.alone,
				"retries":                          n.retries,
				"heartbeats":                       n.heartbeats,
				"callbacks that get lost":          n.callbacks,
				"failures for good":                n.failures,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t)
				})
			}
			t.Run("a worker that dies", func(t *testing.T) {
				t.Parallel()
				(&nodeTest{p, nil}).dies(t)
			})
		})
	}
}

type nodeTest struct {
	*plane
	worker *nodeWorker
}

// The default pipeline of a service has every entry of it; the one of an entry
// task is named like it.
func (n *nodeTest) pipeline(t *testing.T) {
	run := n.trigger(t, "start", map[string]any{"name": "wörld"})
	tasks := n.completed(t, run)
	if names := slices.Sorted(maps.Keys(tasks)); !slices.Equal(names, []string{"join", "left", "right", "start"}) {
		t.Errorf("the run has %v; the branch that was not selected is left out and the join waits for the others", names)
	}
	var got, want any
	n.output(t, tasks["join"], &got)
	if err := json.Unmarshal([]byte(`{
		"upstream":{"start":{"greeting":"hello wörld"},"left":"HELLO WÖRLD","right":[5]},"input":{"name":"wörld"},
		"table":[[1,2],[3,4]],"picture":[0,255,13,10],"note":"grüße\n","missing":"Error: Asset 'gone' not found"}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("output of the join (-want +got):\n%s", diff)
	}
	left := tasks["left"]
	if left.OutputPath != "runs/"+left.ID+"/output.json" || left.LogsPath != "runs/"+left.ID+"/logs.jsonl" {
		t.Errorf("the worker's own paths became %s and %s", left.OutputPath, left.LogsPath)
	}
	if status, logs := request(t, http.MethodGet, n.url("/api/storage/"+tasks["start"].LogsPath), "", nil, nil); status != 200 || !strings.Contains(logs, `"message":"started"`) {
		t.Errorf("the task's log: %d %s", status, logs)
	}

	// What these workers cannot do without, and nothing else in the headers.
	dispatched := n.worker.told(t, "dispatch", tasks["start"].ID)[0]
	for _, member := range []string{"runId", "taskId", "pipelineRunId", "attempt", "codeVersion", "codeHash", "storageToken", "inputPath", "upstreamRefs", "previousAttempts"} {
		if dispatched.Body[member] == nil {
			t.Errorf("the dispatch lacks %s", member)
		}
	}
	if strings.Contains(n.worker.proc.out.String(), secretKey) {
		t.Error("the shared secret was sent")
	}
	if got := slices.Sorted(maps.Keys(dispatched.Headers)); !slices.Equal(got, []string{"content-length", "content-type", "host"}) {
		t.Errorf("the dispatch has the headers %v", got)
	}
}

func (n *nodeTest) noSuccessor(t *testing.T) {
	tasks := n.completed(t, n.trigger(t, "choosy", nil))
	if len(tasks) != 1 {
		t.Errorf("the run has %d tasks after an empty selection, want 1", len(tasks))
	}
}

func (n *nodeTest) alone(t *testing.T) {
	id := n.queue(t, "alone", map[string]any{"x": []any{nil, 1.5}})
	run := n.task(t, id, "completed")
	var got struct {
		RunID, CodeHash      string
		Attempt, CodeVersion int
		Input                any
	}
	n.output(t, run, &got)
	if got.RunID != id || got.Attempt != 1 || got.CodeVersion != 1 || got.CodeHash != run.CodeHash || len(got.CodeHash) != 16 {
		t.Errorf("the task was told %+v; its run is %+v", got, run)
	}
	if diff := cmp.Diff(any(map[string]any{"x": []any{nil, 1.5}}), got.Input); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(run.Metadata), `"progress":50`) || !strings.Contains(string(run.Metadata), `"progressMessage":"half"`) {
		t.Errorf("progress is not in %s", run.Metadata)
	}
	if d := n.worker.told(t, "dispatch", id)[0]; d.Body["pipelineRunId"] != nil {
		t.Errorf("a run by itself was dispatched with pipeline run %v", d.Body["pipelineRunId"])
	}
	// The segment of the path is compared as it was sent.
	const odd = "odd:id,(1)@x=y!*'"
	if d := n.worker.told(t, "dispatch", n.task(t, n.queue(t, odd, nil), "completed").ID); d[0].URL != "/tasks/"+odd {
		t.Errorf("dispatched to %s", d[0].URL)
	}
}

// Attempts after the first go by ids of their own, which the worker gives back.
func (n *nodeTest) retries(t *testing.T) {
	run := n.task(t, n.queue(t, "flaky", nil), "completed")
	var got struct {
		RunID            string
		PreviousAttempts []struct {
			Attempt          int
			Error, ErrorCode string
		}
	}
	n.output(t, run, &got)
	if got.RunID != run.ID+".3" || run.OutputPath != "runs/"+run.ID+".3/output.json" {
		t.Errorf("attempt 3 of %s ran as %s and wrote %s", run.ID, got.RunID, run.OutputPath)
	}
	if diff := cmp.Diff("[{1 Error: boom } {2 again BUSY}]", fmt.Sprint(got.PreviousAttempts)); diff != "" {
		t.Errorf("attempts before (-want +got):\n%s", diff)
	}
}

// A task longer than it may be silent, of a worker whose first beat comes one
// interval late.
func (n *nodeTest) heartbeats(t *testing.T) {
	run := n.task(t, n.queue(t, "slow", nil), "completed")
	if beats := n.worker.told(t, "heartbeat", run.ID); run.Attempt != 1 || len(beats) < 2 || beats[0].Status != 200 {
		t.Errorf("completed at attempt %d after %v; beats %v", run.Attempt, run.PreviousAttempts, beats)
	}
}

func (n *nodeTest) callbacks(t *testing.T) {
	lost, unheard := n.queue(t, "lost", nil), n.queue(t, "unheard", nil)

	// The worker takes a success that it could not report for a failure.
	run := n.task(t, lost, "completed")
	if run.Attempt != 2 || len(run.PreviousAttempts) != 1 || run.PreviousAttempts[0].Error != "TypeError: fetch failed" {
		t.Errorf("completed at attempt %d after %+v", run.Attempt, run.PreviousAttempts)
	}
	// One that was taken, and of which only the answer was lost, stays.
	n.task(t, unheard, "completed")
	var late []told
	eventually(t, "the failure after the success", func() bool {
		late = n.worker.told(t, "callback", unheard)
		return len(late) == 2
	})
	if late[1].Body["status"] != "failed" || late[1].Status != http.StatusOK {
		t.Errorf("the late failure: %+v", late[1])
	}
	if run = n.task(t, unheard, "completed"); run.Attempt != 1 || run.Error != "" || len(run.PreviousAttempts) != 0 {
		t.Errorf("a late failure changed the run: %+v", run)
	}
}

func (n *nodeTest) failures(t *testing.T) {
	if run := n.task(t, n.queue(t, "nothing", nil), "failed"); !strings.HasPrefix(run.Error, "TypeError [ERR_INVALID_ARG_TYPE]") {
		t.Errorf("a handler without a result failed with %q", run.Error)
	}
	run := n.task(t, n.queue(t, "astray", nil), "failed")
	if run.Attempt != 1 || run.ErrorCode != "INVALID_NEXT_TASKS" || run.Error != "Invalid next tasks: nowhere" {
		t.Errorf("a wrong selection: attempt %d, %s %s; it cannot be helped by another try", run.Attempt, run.ErrorCode, run.Error)
	}
}

// dies has a worker of its own on a plane of its own, because all tasks of the
// worker die with it.
func (n *nodeTest) dies(t *testing.T) {
	p := startPlane(t, "")
	if strings.Contains(strings.Join(n.env, " "), "DATABASE_URL=") {
		p = startPlane(t, postgres(t))
	}
	w := startNode(t, "node", p.url(""), secretKey)
	id := p.queue(t, "dies", nil)
	eventually(t, "the dispatch", func() bool { return len(w.told(t, "dispatch", id)) > 0 })
	w.proc.kill(t, syscall.SIGKILL)
	eventually(t, "the silence to be noticed", func() bool {
		var run api.TaskRun
		get(t, p.url("/api/task-runs/"+id), "", &run)
		return run.Attempt > 1
	})
	w.start(t) // with the same code: nothing changed, nothing is orphaned
	run := p.task(t, id, "completed")
	if first := run.PreviousAttempts[0]; first.ErrorCode != "TIMEOUT" || first.Error != "Task heartbeat timeout" {
		t.Errorf("the first attempt: %+v", first)
	}
	for _, attempt := range run.PreviousAttempts[1:] {
		if attempt.ErrorCode != api.CodeDispatchFailed { // nobody listened
			t.Errorf("attempt %+v", attempt)
		}
	}
	if code := w.told(t, "registered", ""); len(code) != 1 || len(code[0].OrphanedTasks) != 0 {
		t.Errorf("registered again: %+v", code)
	}

	// Gone before the dispatch: tried again until it is back.
	w.proc.kill(t, syscall.SIGKILL)
	id = p.queue(t, "flaky", nil)
	eventually(t, "a dispatch that reached nobody", func() bool {
		var run api.TaskRun
		get(t, p.url("/api/task-runs/"+id), "", &run)
		return run.Attempt > 1
	})
	w.start(t)
	if run := p.task(t, id, "completed"); run.PreviousAttempts[0].ErrorCode != api.CodeDispatchFailed {
		t.Errorf("attempts before: %+v", run.PreviousAttempts)
	}

	// With another secret it cannot read its storage token, and says so.
	w.proc.kill(t, syscall.SIGKILL)
	w.secret = "another secret"
	w.start(t)
	if run := p.task(t, p.queue(t, "nothing", nil), "failed"); run.ErrorCode != api.CodeInvalidToken || run.Error != "Failed to decrypt storage token" {
		t.Errorf("with another secret: %s %s", run.ErrorCode, run.Error)
	}
	if left, err := os.ReadDir(w.temp); err != nil || len(left) > 1 { // what it held when it was killed
		t.Errorf("%d entries left in the worker's folder, %v", len(left), err)
	}
}
