package controlplane

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/internal/secret"
)

// finished is a task run that has completed and left a log.
func (b *bench) finished(log string) string {
	b.t.Helper()
	owner := secret.Text(b.enroll("box").WorkerToken)
	b.as(owner, "POST", "/api/v1/workers/self/register", pulled, 200, nil)
	b.post("/api/queue/task", `{"taskId":"keep"}`, nil)
	var got api.ClaimResponse
	b.as(owner, "POST", "/api/v1/workers/self/claim", `{"serviceId":"pulled","max":1,"waitMs":0}`, 200, &got)
	if len(got.Runs) != 1 {
		b.t.Fatalf("claimed %d runs", len(got.Runs))
	}
	id := got.Runs[0].RunID
	if log != "" {
		if _, err := b.bucket.Put(b.t.Context(), "runs/x/log.jsonl", strings.NewReader(log), int64(len(log)), ""); err != nil {
			b.t.Fatal(err)
		}
	}
	b.as(owner, "POST", "/api/callback/"+id, `{"status":"success","logsPath":"runs/x/log.jsonl"}`, 200, nil)
	return id
}

// Every line of a task's log is found, from either end, and searched for on
// the server.
func TestTaskLog(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var log strings.Builder
	for i := range 2_000 {
		level := "info"
		if i%400 == 399 {
			level = "error"
		}
		fmt.Fprintf(&log, `{"timestamp":"2026-01-02T03:04:05.%03dZ","level":%q,"message":"step %d","page":%d,"who":"a b","runId":"r"}`+"\n", i%1_000, level, i, i)
	}
	log.WriteString("not JSON, and without an end")
	id := b.finished(log.String())
	// A busy machine may not search all of it in the time that a search has.
	ask := func(query string) (out api.TaskLog) {
		t.Helper()
		eventually(t, func() bool {
			out = api.TaskLog{}
			b.as(b.view, "GET", "/api/task-runs/"+id+"/logs?"+query, "", 200, &out)
			return !out.Partial && !out.CountPartial
		})
		return out
	}
	texts := func(page api.TaskLog) (out []string) {
		for _, l := range page.Items {
			out = append(out, l.Text)
		}
		return out
	}

	last := ask("limit=2&count=1")
	if diff := cmp.Diff([]string{"step 1999 page=1999 who=a b", "not JSON, and without an end"}, texts(last)); diff != "" || !last.More || last.Count == nil || *last.Count != 2_001 {
		t.Errorf("the last two: %s %+v", diff, last)
	}
	if l := last.Items[0]; l.Level != "error" || l.At.String() != "2026-01-02T03:04:05.999Z" {
		t.Errorf("a line with everything: %+v", l)
	}
	var backwards, forwards []string
	for page := last; ; page = ask(fmt.Sprint("limit=600&before=", page.Older)) {
		backwards = append(texts(page), backwards...)
		if !page.More {
			break
		}
	}
	for page := ask("limit=600&after=-1"); ; page = ask(fmt.Sprint("limit=600&after=", page.Newer)) {
		forwards = append(forwards, texts(page)...)
		if !page.More {
			break
		}
	}
	if len(forwards) != 2_001 || cmp.Diff(forwards, backwards) != "" {
		t.Errorf("%d lines forwards, %d backwards", len(forwards), len(backwards))
	}
	if got := texts(ask("level=error&limit=2")); cmp.Diff([]string{"step 1599 page=1599 who=a b", "step 1999 page=1999 who=a b"}, got) != "" {
		t.Errorf("errors: %q", got)
	}
	found := ask("grep=step+12&limit=1&count=1&after=-1")
	if *found.Count != 111 || texts(found)[0] != "step 12 page=12 who=a b" {
		t.Errorf("found %+v", found)
	}
	if got := ask(`grep=%5Estep+(7|8)+&regex=1&count=1`); len(got.Items) != 2 || *got.Count != 2 {
		t.Errorf("matched %+v", got)
	}
	if got := ask("grep=STEP+12&ignoreCase=1&limit=1&count=1&before=1000000000"); *got.Count != 111 {
		t.Errorf("in any case: %+v", got)
	}
	// What people read is searched, not what is stored.
	for query, n := range map[string]int{"grep=1999+page%3D1999+who%3Da": 1, "grep=%22message%22": 0, "grep=JSON,+and": 1, "grep=not+json&ignoreCase=1": 1, "level=info&grep=an+end": 1, "level=error&grep=step": 5} {
		if got := ask(query + "&count=1"); *got.Count != n || len(got.Items) != n {
			t.Errorf("%s: %d lines, %d counted", query, len(got.Items), *got.Count)
		}
	}
	w := b.do("GET", "/api/task-runs/"+id+"/logs?regex=1&grep=a(b", "", bearer(b.view)...)
	if want := "This is not a regular expression: missing closing )"; w.Code != 400 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("a bad expression: %d %s", w.Code, w.Body)
	}
	for _, bad := range []string{"limit=0", "limit=5001", "after=1&before=2", "after=x", "grep=(&regex=1", "grep=" + strings.Repeat("x", 1_001)} {
		b.as(b.view, "GET", "/api/task-runs/"+id+"/logs?"+bad, "", http.StatusBadRequest, nil)
	}
}

func TestTaskLog_download(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var log strings.Builder
	for i := range 3_000 {
		fmt.Fprintf(&log, `{"timestamp":"2026-01-02T03:04:05Z","level":%q,"message":"step %d \u003cb\u003e"}`+"\n", []string{"info", "error"}[i%2], i)
	}
	id := b.finished(log.String())
	get := func(query string) (string, http.Header) {
		t.Helper()
		w := b.do("GET", "/api/task-runs/"+id+"/logs/download"+query, "", bearer(b.view)...)
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		return w.Body.String(), w.Header()
	}
	text, header := get("")
	if !strings.HasPrefix(text, "2026-01-02T03:04:05.000Z info step 0 <b>\n2026-01-02T03:04:05.000Z error step 1 <b>\n") || strings.Count(text, "\n") != 3_000 {
		t.Errorf("as text: %.200s", text)
	}
	if got := header.Get("Content-Disposition"); got != "attachment; filename="+id+".log" || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("headers %v", header)
	}
	objects, _ := get("?format=ndjson&level=error&grep=STEP+29&ignoreCase=1")
	var first api.TaskLogLine
	if err := json.NewDecoder(strings.NewReader(objects)).Decode(&first); err != nil || first.Text != "step 29 <b>" || first.Level != "error" || strings.Count(objects, "\n") != 56 {
		t.Errorf("as objects, %d of them: %v %+v", strings.Count(objects, "\n"), err, first)
	}
	for path, status := range map[string]int{id + "/logs/download?format=xml": 400, id + "/logs/download?regex=1&grep=(": 400, "trun_none/logs/download": 404} {
		if w := b.do("GET", "/api/task-runs/"+path, "", bearer(b.view)...); w.Code != status || w.Header().Get("Content-Disposition") != "" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestTaskLog_missing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.as(b.view, "GET", "/api/task-runs/trun_none/logs", "", http.StatusNotFound, nil)
	gone := b.finished("")
	b.as(b.view, "GET", "/api/task-runs/"+gone+"/logs", "", http.StatusGone, nil)
	b.as(b.view, "GET", "/api/task-runs/"+gone+"/logs/download", "", http.StatusGone, nil)
	var queued api.QueuedTask
	b.post("/api/queue/task", `{"taskId":"keep"}`, &queued)
	var page api.TaskLog
	b.as(b.view, "GET", "/api/task-runs/"+queued.RunID+"/logs", "", 200, &page)
	if len(page.Items) != 0 || page.End != 0 || page.More {
		t.Errorf("a run without a log: %+v", page)
	}
}
