package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/store"
)

// TestAudit_everyRoute: a route that may change something cannot be forgotten
// by the audit log.
func TestAudit_everyRoute(t *testing.T) {
	t.Parallel()
	s := &Server{kit: &httpkit.Kit{}}
	if err := unnamed(s.routes()); err != nil {
		t.Error(err)
	}
	for _, r := range s.routes() {
		if noun, verb, two := strings.Cut(r.access.audit.action, "."); r.access.audit.action != "" && (!two || noun == "" || verb == "") {
			t.Errorf("%s is recorded as %q, which is not noun.verb", r.pattern, r.access.audit.action)
		}
	}
	forgotten := append(s.routes(), route{pattern: "POST /api/v1/new", access: operate, handler: http.NotFoundHandler()})
	if err := unnamed(forgotten); err == nil || !strings.Contains(err.Error(), "POST /api/v1/new") {
		t.Errorf("a route without an action: %v", err)
	}
}

// audited reads the lines that a filter admits, oldest first, as "actor action
// object outcome code".
func (b *bench) audited(f client.AuditFilter) []string {
	b.t.Helper()
	f.Oldest = true
	got, err := b.serve(b.admin).Audit(b.t.Context(), f)
	if err != nil {
		b.t.Fatal(err)
	}
	out := []string{}
	for _, l := range got.Items {
		out = append(out, strings.TrimSpace(strings.Join([]string{l.Actor, l.Action, l.Object, l.Outcome, l.Code}, " ")))
	}
	return out
}

// TestAudit: what operators and hosts change leaves a line each, with who, on
// what and from where; what they only read leaves none.
func TestAudit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host := b.enroll("box")
	daemon := b.serve(secret.Text(host.OperatorToken))
	if err := daemon.DisableWorker(t.Context(), host.WorkspaceID, host.WorkerID); err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Workers(t.Context(), host.WorkspaceID); err != nil {
		t.Fatal(err)
	}
	b.as(secret.Text(host.WorkerToken), "POST", "/api/v1/workers/self/heartbeat", `{"runs":[]}`, 200, nil)
	b.as(b.operate, "POST", "/api/dlq/purge", `{"olderThan":"7d"}`, 200, nil)
	b.as(b.operate, "POST", "/api/pipelines/none/trigger", `{}`, 404, nil)
	var id string
	if all := b.audited(client.AuditFilter{Action: "enrollment.redeem"}); len(all) != 1 {
		t.Fatalf("redeemed: %q", all)
	}
	got, err := b.serve(b.admin).Audit(t.Context(), client.AuditFilter{Action: "worker"})
	if err != nil || len(got.Items) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	line := got.Items[0]
	id = (store.Token{Hash: secret.Text(host.OperatorToken).Hash()}).ID()
	want := api.AuditLine{
		Seq: line.Seq, At: line.At, Actor: "box", Kind: "hos", Role: "operator", Token: id, Action: "worker.disable", Object: host.WorkerID,
		Workspace: host.WorkspaceID, Address: "127.0.0.1", Outcome: "ok", RequestID: line.RequestID, Detail: "box",
	}
	if diff := cmp.Diff(want, line); diff != "" || line.Seq == 0 || line.At.IsZero() || line.RequestID == "" {
		t.Errorf("%+v (-want +got):\n%s", line, diff)
	}
	if diff := cmp.Diff([]string{
		"admin enrollment.issue " + b.enrollment() + " ok", "box enrollment.redeem " + host.WorkerID + " ok",
		"box worker.disable " + host.WorkerID + " ok", "admin dlq.purge  ok",
	}, b.audited(client.AuditFilter{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, token := range []secret.Text{b.view, b.operate, secret.Text(host.OperatorToken), secret.Text(host.WorkerToken)} {
		b.as(token, "GET", "/api/v1/audit", "", 403, nil)
	}
	for _, query := range []string{"limit=0", "cursor=x", "since=yesterday", "order=up"} {
		b.as(b.admin, "GET", "/api/v1/audit?"+query, "", 400, nil)
	}
}

// enrollment is the id of the only one there is.
func (b *bench) enrollment() string {
	b.t.Helper()
	all, err := b.st.Enrollments(b.t.Context(), store.EnrollmentFilter{Limit: 2})
	if err != nil || len(all) != 1 {
		b.t.Fatalf("enrollments %+v, %v", all, err)
	}
	return string(all[0].ID)
}

// TestAudit_D5_decidedTwice: of several decisions about one pairing the first wins, the
// rest are refused, and all of them are in the audit log.
func TestAudit_D5_decidedTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	start, err := b.serve("").DeviceStart(t.Context(), api.DeviceStartRequest{Hostname: "box", OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // polls leave no line
		b.do("POST", "/api/v1/enrollments/redeem", `{"deviceCode":"`+start.DeviceCode+`","hostname":"box","os":"linux","version":"1"}`)
	}
	path := "/api/v1/enrollments/" + start.ID
	b.as(b.operate, "POST", path+"/approve", "", 403, nil)
	b.as(b.admin, "POST", path+"/approve", "", 200, nil)
	b.as(b.admin, "POST", path+"/deny", "", 409, nil)
	b.as(b.admin, "POST", path+"/approve", "", 409, nil)
	b.clock.move(time.Hour)
	b.as(b.admin, "POST", path+"/approve", "", 409, nil)
	late, err := b.serve("").DeviceStart(t.Context(), api.DeviceStartRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b.clock.move(time.Hour)
	b.as(b.admin, "POST", "/api/v1/enrollments/"+late.ID+"/approve", "", 410, nil)
	if diff := cmp.Diff([]string{
		"box enrollment.ask " + start.ID + " ok",
		"admin enrollment.approve " + start.ID + " refused forbidden",
		"admin enrollment.approve " + start.ID + " ok",
		"admin enrollment.deny " + start.ID + " refused conflict",
		"admin enrollment.approve " + start.ID + " refused conflict",
		"admin enrollment.approve " + start.ID + " refused conflict",
		"enrollment.ask " + late.ID + " ok",
		"admin enrollment.approve " + late.ID + " refused expired_token",
	}, b.audited(client.AuditFilter{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAudit_refusals: whoever is kept out is in the log, and cannot fill it.
func TestAudit_refusals(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.RequireToken = true })
	const path = "/api/runs/prun_1/cancel"
	for range 5 {
		b.as("pwk_wrong", "POST", path, "", 401, nil)
		b.as(b.view, "POST", path, "", 403, nil)
		b.as(b.view, "POST", "/api/pipelines/p/trigger", "{}", 403, nil)
		b.as("pwk_wrong", "GET", "/api/runs", "", 401, nil)
	}
	b.as(b.operate, "POST", path, "", 404, nil)
	want := []string{
		"run.cancel prun_1 refused unauthorized", "admin run.cancel prun_1 refused forbidden",
		"admin pipeline.trigger p refused forbidden", "admin run.cancel prun_1 refused not_found",
	}
	if diff := cmp.Diff(want, b.audited(client.AuditFilter{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.clock.move(61 * time.Second)
	b.as("pwk_wrong", "POST", path, "", 401, nil)
	if got := b.audited(client.AuditFilter{}); len(got) != len(want)+1 {
		t.Errorf("a minute later: %q", got)
	}
	b.clock.move(61 * time.Second)
	for i := range mostRefusals + 50 {
		b.as(b.operate, "POST", fmt.Sprintf("/api/runs/prun_%d/cancel", i), "", 404, nil)
	}
	lines, err := b.st.AuditLines(t.Context(), store.AuditFilter{Limit: 2 * mostRefusals})
	if err != nil || len(lines) != len(want)+1+mostRefusals {
		t.Errorf("%d lines, %v, want no more than %d of a minute", len(lines), err, mostRefusals)
	}
}

// TestAudit_beforeTheAnswer: whoever has the answer finds the line, whatever
// the handler did: answered, streamed, panicked or said nothing.
func TestAudit_beforeTheAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	lines := func() int {
		t.Helper()
		all, err := b.st.AuditLines(t.Context(), store.AuditFilter{})
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	serve := func(h http.HandlerFunc, ctx context.Context) {
		r := httptest.NewRequestWithContext(ctx, "POST", "/x", nil)
		h2 := b.recordedHandler(route{pattern: "POST /x", access: operate.as("x.y")}, h)
		defer func() { _ = recover() }()
		h2.ServeHTTP(&checkedWriter{ResponseRecorder: httptest.NewRecorder(), first: func() {
			if lines() == 0 {
				t.Error("an answer goes out before its line")
			}
		}}, r)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		h    http.HandlerFunc
		ctx  context.Context
		want string
	}{
		"header":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, t.Context(), "ok"},
		"bytes":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, t.Context(), "ok"},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, t.Context(), "ok"},
		"panic":   {func(http.ResponseWriter, *http.Request) { panic("x") }, t.Context(), "failed"},
		"500":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, t.Context(), "failed"},
		"gone":    {func(http.ResponseWriter, *http.Request) {}, gone, "failed"},
	} {
		b.refusals = newRefusalLog(time.Now)
		before := lines()
		serve(test.h, test.ctx)
		all, err := b.st.AuditLines(t.Context(), store.AuditFilter{Limit: 1})
		if err != nil || lines() != before+1 || all[0].Outcome != test.want || all[0].Action != "x.y" {
			t.Errorf("%s: %+v, %v, want one more that says %s", name, all, err, test.want)
		}
	}
}

type checkedWriter struct {
	*httptest.ResponseRecorder
	first func()
}

func (w *checkedWriter) WriteHeader(status int) {
	w.first()
	w.ResponseRecorder.WriteHeader(status)
}

// deafStore takes no line.
type deafStore struct{ store.Store }

func (deafStore) AddAudit(context.Context, ...store.AuditLine) error { return errors.New("disk full") }

// TestAudit_lostLine: what was done is not undone because the log cannot be
// written; the line is in the server's own log then.
func TestAudit_lostLine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var log strings.Builder
	b.st = deafStore{b.st}
	b.o.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.as(b.operate, "POST", "/api/maintenance/request", "", 200, nil)
	if text := log.String(); !strings.Contains(text, "action=maintenance.request") || !strings.Contains(text, "actor=admin") || !strings.Contains(text, "disk full") {
		t.Errorf("the log has %q", text)
	}
}
