package localapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
)

func asError(err error, target **api.Error) bool { return errors.As(err, target) }

func TestRoutes_answers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method, path string
		status       int
		contains     string
	}{
		{"GET", "/", 200, "the page"},
		{"GET", "/assets/none.js", 404, ""},
		{"GET", "/api/healthz", 200, `{"status":"ok","ready":true,"pid":`},
		{"GET", "/api/self", 200, `"state":"running"`},
		{"GET", "/api/workers", 200, `"items":[{"id":"w1"`},
		{"POST", "/api/workers/w1/start", 200, `{"id":"w1","action":"start","ok":true}`},
		{"POST", "/api/workers/w1/stop", 200, `"action":"stop"`},
		{"POST", "/api/workers/w1/enable", 200, `"action":"enable"`},
		{"POST", "/api/workers/w1/disable", 200, `"action":"disable"`},
		{"DELETE", "/api/workers/w1", 200, `"action":"delete"`},
		{"POST", "/api/workers/nobody/start", 404, `"code":"not_found"`},
		{"POST", "/api/reload", 200, `{"workers":1}`},
		{"POST", "/api/restart", 200, `"comesBack":true`},
		{"POST", "/api/detach", 200, `"comesBack":false`},
		{"GET", "/api/adoptable", 200, `"status":"running"`},
		{"POST", "/api/adopt", 200, `"status":"adopted"`},
		{"GET", "/api/adopt", 405, "use POST"},
		{"GET", "/api/restart", 405, "use POST"},
		{"GET", "/api/workers/w1/logs", 200, `{"items":[],"older":0`},
		{"GET", "/api/workers/w1/logs?tail=2000", 200, `"items":[]`},
		{"GET", "/api/workers/w1/logs?tail=0", 400, "tail"},
		{"GET", "/api/workers/w1/logs?tail=-5", 400, "tail"},
		{"GET", "/api/workers/w1/logs?tail=2001", 400, "tail"},
		{"GET", "/api/workers/w1/logs?tail=abc", 400, "tail"},
		{"GET", "/api/workers/nobody/logs", 404, `"code":"not_found"`},
		{"GET", "/api/workers/nobody/runs", 404, `"code":"not_found"`},
		{"GET", "/api/workers/w1/runs", 200, `{"items":[]}`},
		{"GET", "/api/workers/w1/runs/r1/events", 200, `{"items":[]}`},
		{"GET", "/api/workers/w1/runs/r1/events?after=x", 400, "after"},
		{"GET", "/api/events", 200, `"next":1`},
		{"GET", "/api/events?since=x", 400, "since"},
		{"GET", "/metrics", 200, `pipedai_worker_up{label="build-box",state="running",worker="w1"} 1`},
		{"GET", "/metrics", 200, `pipedai_worker_memory_bytes{label="build-box",worker="w1"} 4096`},
		{"GET", "/metrics", 200, `pipedai_worker_cpu_seconds_total{label="build-box",worker="w1"} 1.5`},
		{"GET", "/metrics", 200, `pipedai_operations{status="running"} 1`},
		{"GET", "/metrics", 200, `pipedai_connectivity{verdict="unknown"} 1`},
		{"GET", "/metrics", 200, `pipedai_local_requests_total{route="GET /api/healthz",status="200"}`},
		{"GET", "/metrics", 200, "process_open_fds"},
		{"GET", "/metrics", 200, "go_goroutines"},
		{"GET", "/api/unknown", 404, `"error":"Not found"`},
		{"GET", "/api", 404, ""},
		{"GET", "/api/workers/", 404, ""},
		{"GET", "/api/workers/w1/start", 405, "use POST"},
		{"PUT", "/api/self", 415, ""},
		{"DELETE", "/api/self", 405, "use GET"},
		{"POST", "/", 404, ""},
	}
	f := serveTest(t)
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			status, header, body := f.ask(t, f.plain(tt.method, tt.path))
			if status != tt.status || !strings.Contains(body, tt.contains) {
				t.Errorf("%d %s, want %d with %s", status, body, tt.status, tt.contains)
			}
			if status >= 400 && strings.HasPrefix(tt.path, "/api/") {
				var answer api.Error
				if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Message == "" || answer.Code == "" || answer.RequestID != header.Get("X-Request-Id") {
					t.Errorf("not the shape of an error: %s", body)
				}
			}
		})
	}
}

func TestRoutes_notReadyIsNotRefused(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	f.backend.starting = true
	for _, rt := range f.table() {
		path := strings.NewReplacer("{id}", "w1", "{run}", "r1").Replace(rt.path)
		status, _, body := f.ask(t, f.plain(rt.method, path))
		if rt.anytime && status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		if !rt.anytime && (status != http.StatusServiceUnavailable || !strings.Contains(body, `"not_ready"`)) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, _ := f.ask(t, f.plain("GET", "/")); status != http.StatusOK {
		t.Errorf("the page: %d", status)
	}
	if status, _, body := f.ask(t, f.plain("GET", "/api/healthz")); status != 200 || !strings.Contains(body, `"ready":false`) {
		t.Errorf("liveness: %d %s", status, body)
	}
}

func TestRuns_incremental(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	folder := filepath.Join(f.runsDir, "w1")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "r1.ndjson")
	add := func(text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	seqs := func(after int64) (out []int64) {
		t.Helper()
		events, err := f.client.RunEvents(t.Context(), "w1", "r1", after)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			out = append(out, e.Seq)
		}
		return out
	}
	check := func(got []int64, want ...int64) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	}
	add(`{"seq":1,"type":"a","ts":"t","payload":{"x":1}}` + "\n" + "garbage\n" + `{"type":"no seq"}` + "\n" + `{"seq":2,"type":"b"}` + "\n" + `{"seq":3,"ty`)
	check(seqs(0), 1, 2)
	check(seqs(1), 2)
	check(seqs(2))
	add(`pe":"c"}` + "\n")
	check(seqs(2), 3)
	add(strings.Repeat("x", maxRunLine+10) + "\n" + `{"seq":4}` + "\n")
	check(seqs(3), 4)
	if err := os.WriteFile(path, []byte(`{"seq":1}`+"\n"), 0o600); err != nil { // another file
		t.Fatal(err)
	}
	check(seqs(0), 1)

	runs, err := f.client.Runs(t.Context(), "w1")
	if err != nil || len(runs) != 1 || runs[0].RunID != "r1" || runs[0].Bytes != 10 {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

func TestRuns_stayInTheirFolder(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	outside := filepath.Join(t.TempDir(), "secret.ndjson")
	if err := os.WriteFile(outside, []byte(`{"seq":1,"type":"secret"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(f.runsDir, "w1")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, "link.ndjson")); err != nil {
		t.Fatal(err)
	}
	for _, run := range []string{"link", "..%2f..%2fsecret", "%2e%2e", "..%5cx"} {
		if _, _, body := f.ask(t, f.plain("GET", "/api/workers/w1/runs/"+run+"/events")); strings.Contains(body, "secret") {
			t.Errorf("%s: %s", run, body)
		}
	}
	if runs, err := f.client.Runs(t.Context(), "w1"); err != nil || len(runs) != 0 {
		t.Errorf("a link is listed: %+v, %v", runs, err)
	}
}

func TestRuns_newestFiftyFirst(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	folder := filepath.Join(f.runsDir, "w1")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("r%02d.ndjson", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := f.client.Runs(t.Context(), "w1")
	if err != nil || len(runs) != maxRuns {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for i := 1; i < len(runs); i++ {
		if runs[i].UpdatedAt > runs[i-1].UpdatedAt {
			t.Fatalf("run %d is newer than the one before it", i)
		}
	}
}
