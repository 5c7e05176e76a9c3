package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/testkit"
)

// secretKey is the shared secret of every control plane here.
const secretKey = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// plane is a control plane with a folder and a port of its own; its process
// can be killed and started again.
type plane struct {
	home string
	port int
	env  []string
	proc *proc
}

// newPlane prepares a control plane; an empty database address means the
// embedded one.
func newPlane(t testing.TB, database string) *plane {
	t.Helper()
	home := t.TempDir()
	p := &plane{home: filepath.Join(home, "pipeweave"), port: freePort(t)}
	p.env = baseEnv(home, "PIPEWEAVE_HOME="+p.home, "PIPEWEAVE_SECRET_KEY="+secretKey,
		"PIPEWEAVE_ORCHESTRATOR_URL="+p.url(""))
	if database != "" {
		p.env = append(p.env, "DATABASE_URL="+database)
		must(t, p.env, "pipeweave", "db", "init")
	}
	return p
}

// postgres is the address of a new PostgreSQL database, as people write it.
func postgres(t testing.TB) string {
	t.Helper()
	address := url.URL{Scheme: "postgres", Path: "/"}
	query := url.Values{}
	for _, pair := range strings.Fields(testkit.Postgres(t)) {
		switch key, value, _ := strings.Cut(pair, "="); key {
		case "user":
			address.User = url.User(value)
		case "dbname":
			address.Path = "/" + value
		default:
			query.Set(key, value)
		}
	}
	address.RawQuery = query.Encode()
	return address.String()
}

// startPlane is newPlane, started.
func startPlane(t testing.TB, database string) *plane {
	t.Helper()
	p := newPlane(t, database)
	p.start(t)
	return p
}

func (p *plane) url(path string) string { return at(p.port, path) }

func (p *plane) start(t testing.TB) {
	t.Helper()
	p.proc = start(t, p.env, "pipeweave", "serve", "--addr", fmt.Sprint("127.0.0.1:", p.port))
	eventually(t, "the control plane to answer", func() bool {
		if !p.proc.running() {
			t.Fatalf("the control plane ended with exit code %d:\n%s", p.proc.wait(t), p.proc.err.String())
		}
		status, _ := request(t, http.MethodGet, p.url("/health"), "", nil, nil)
		return status == http.StatusOK
	})
}

// token is the operator token that the first start made.
func (p *plane) token(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.home, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func (p *plane) cli(t testing.TB, args ...string) result {
	t.Helper()
	return must(t, p.env, "pipeweave", args...)
}

// trigger starts a pipeline run and returns its id.
func (p *plane) trigger(t testing.TB, pipeline string, input any) string {
	t.Helper()
	var answer api.TriggerResponse
	status, body := request(t, http.MethodPost, p.url("/api/pipelines/"+pipeline+"/trigger"), "", map[string]any{"input": input}, &answer)
	if status != http.StatusOK {
		t.Fatalf("trigger %s: status %d: %s", pipeline, status, body)
	}
	return answer.PipelineRunID
}

func (p *plane) run(t testing.TB, id string) api.RunDetail {
	t.Helper()
	var run api.RunDetail
	get(t, p.url("/api/runs/"+id), "", &run)
	return run
}

// finished waits for the end of a run and returns it.
func (p *plane) finished(t testing.TB, id string) api.RunDetail {
	t.Helper()
	var run api.RunDetail
	eventually(t, "run "+id+" to end", func() bool {
		run = p.run(t, id)
		return run.Status != "running" && run.Status != "pending"
	})
	return run
}

// completed is finished for a run that must complete; it returns the task
// runs by task and wants each task to have exactly one.
func (p *plane) completed(t testing.TB, id string) map[string]api.TaskRun {
	t.Helper()
	run := p.finished(t, id)
	tasks := map[string]api.TaskRun{}
	for _, task := range run.Tasks {
		if _, twice := tasks[task.TaskID]; twice {
			t.Errorf("task %s has two task runs in %s", task.TaskID, id)
		}
		tasks[task.TaskID] = task
	}
	if run.Status != "completed" {
		for _, task := range run.Tasks {
			t.Logf("%s: %s %s", task.TaskID, task.Status, task.Error)
		}
		t.Fatalf("run %s is %s (%s), want completed", id, run.Status, run.Error)
	}
	for name, task := range tasks {
		if task.Status != "completed" {
			t.Errorf("task %s of the completed run is %s", name, task.Status)
		}
	}
	return tasks
}

// output reads the stored output of a task run.
func (p *plane) output(t testing.TB, task api.TaskRun, out any) {
	t.Helper()
	var content api.StorageContent
	get(t, p.url("/api/storage/"+task.OutputPath), "", &content)
	if err := json.Unmarshal(content.Content, out); err != nil {
		t.Fatalf("output of %s: %v: %s", task.TaskID, err, content.Content)
	}
}

// ready waits until a service is registered.
func (p *plane) ready(t testing.TB, service string) {
	t.Helper()
	eventually(t, "the service "+service, func() bool {
		status, _ := request(t, http.MethodGet, p.url("/api/services/"+service), "", nil, nil)
		return status == http.StatusOK
	})
}
