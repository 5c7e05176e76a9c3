package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
	"pipedai/store"
)

var hostCases = []testCase{
	{name: "a pairing", run: pairing},
	{name: "a code", run: code},
	{name: "redeemed once", run: redeemedOnce},
	{name: "one worker per hostname", run: oneWorkerPerHost},
	{name: "tokens", run: tokens},
	{name: "a worker's life", run: workerLife},
	{name: "what workers serve", run: workersServe},
	{name: "a registration", run: registration},
	{name: "a registration is used once", run: registeredOnce},
	{name: "a host registers its own workers", run: hostRegisters},
	{name: "events", run: workerEvents},
	{name: "a host's row", run: hostRow},
	{name: "holds of a worker", run: holds},
	{name: "a host is paused", run: hostPaused},
	{name: "a host is revoked", run: hostRevoked},
	{name: "a host is revoked while credentials are made", run: revokedMeanwhile},
	{name: "a machine joins that another host kept a worker for", run: keptByAnother},
	{name: "a worker has few holds", run: holdsAreFew},
	{name: "an enrolment is revoked", run: enrollmentRevoked},
}

func (f *fixture) enroll(kind, secret string) store.Enrollment {
	f.Helper()
	ws, err := f.DefaultWorkspace(f.ctx)
	f.must(err)
	e := store.Enrollment{
		Workspace: ws.ID, Kind: kind, SecretHash: secret, Label: "my host", Address: "10.0.0.9", UserAgent: "ua",
		Hostname: "host-1", OS: "linux", Interval: 5 * time.Second, ExpiresAt: time.Now().Add(time.Hour),
	}
	if kind == "device" {
		e.UserCode = "CODE-" + secret
	}
	got, err := f.CreateEnrollment(f.ctx, e)
	f.must(err)
	return got
}

func (f *fixture) decide(id store.EnrollmentID, approve bool, by string) (store.Enrollment, error) {
	return f.DecideEnrollment(f.ctx, store.DecideEnrollment{ID: id, Approve: approve, By: by})
}

func (f *fixture) redeem(e store.Enrollment, host string) (store.Worker, error) {
	return f.RedeemEnrollment(f.ctx, store.RedeemEnrollment{
		Enrollment: e.ID, Hostname: host, OS: "linux", Version: "1.0.0",
		WorkerTokenHash: "wkt-" + string(e.ID), OperatorTokenHash: "hos-" + string(e.ID),
	})
}

func pairing(f *fixture) {
	ws, err := f.DefaultWorkspace(f.ctx)
	f.must(err)
	if ws.ID == "" || ws.Environment == "" || ws.Name == "" {
		f.Errorf("workspace %+v", ws)
	}
	e := f.enroll("device", "s1")
	if e.ID == "" || e.Status != "pending" || e.CreatedAt.IsZero() || e.Address != "10.0.0.9" || e.Interval != 5*time.Second {
		f.Errorf("enrollment %+v", e)
	}
	for name, get := range map[string]func() (store.Enrollment, error){
		"id":        func() (store.Enrollment, error) { return f.Enrollment(f.ctx, e.ID) },
		"user code": func() (store.Enrollment, error) { return f.EnrollmentByUserCode(f.ctx, "CODE-s1") },
		"secret":    func() (store.Enrollment, error) { return f.EnrollmentBySecret(f.ctx, "s1") },
	} {
		got, err := get()
		f.must(err)
		if diff := cmp.Diff(e, got); diff != "" {
			f.Errorf("by %s (-want +got):\n%s", name, diff)
		}
	}
	_, err = f.EnrollmentByUserCode(f.ctx, "NOPE")
	f.wantErr(err, store.ErrNotFound)
	_, err = f.CreateEnrollment(f.ctx, store.Enrollment{Workspace: ws.ID, Kind: "device", SecretHash: "s9", UserCode: "CODE-s1", ExpiresAt: time.Now().Add(time.Hour)})
	f.wantErr(err, store.ErrConflict)

	_, err = f.redeem(e, "h")
	f.wantErr(err, store.ErrConflict) // not approved
	now := time.Now()
	for i, want := range []bool{false, true, false} {
		early, err := f.PolledEnrollment(f.ctx, e.ID, now.Add([]time.Duration{0, time.Second, 7 * time.Second}[i]))
		f.must(err)
		if early != want {
			f.Errorf("poll %d: too early is %v", i, early)
		}
	}
	got, err := f.decide(e.ID, true, "ann")
	f.must(err)
	if got.Status != "approved" || got.DecidedBy != "ann" || got.DecidedAt.IsZero() {
		f.Errorf("approved %+v", got)
	}
	got, err = f.decide(e.ID, false, "bob")
	f.wantErr(err, store.ErrConflict)
	if got.Status != "approved" || got.DecidedBy != "ann" {
		f.Errorf("the first decision did not win: %+v", got)
	}
	_, err = f.decide("enrl_none", true, "ann")
	f.wantErr(err, store.ErrNotFound)

	w, err := f.redeem(e, "host-1")
	f.must(err)
	if w.ID == "" || w.Workspace != ws.ID || w.Hostname != "host-1" || w.Label != "my host" || w.Version != "1.0.0" || w.Disabled {
		f.Errorf("worker %+v", w)
	}
	if got, err := f.Enrollment(f.ctx, e.ID); err != nil || got.Status != "redeemed" || got.Worker != w.ID {
		f.Errorf("enrollment %+v, %v", got, err)
	}

	denied := f.enroll("device", "s2")
	f.must1(f.decide(denied.ID, false, "ann"))
	_, err = f.redeem(denied, "h")
	f.wantErr(err, store.ErrConflict)
	code := f.enroll("code", "s3")
	for filter, want := range map[store.EnrollmentFilter][]store.EnrollmentID{
		{Limit: 10}:                           {code.ID, denied.ID, e.ID},
		{Workspace: ws.ID, Kind: "device"}:    {denied.ID, e.ID},
		{Workspace: ws.ID, Limit: 1}:          {code.ID},
		{Workspace: "ws_other", Kind: "code"}: {},
		{Kind: "code", Limit: 10}:             {code.ID},
	} {
		all, err := f.Enrollments(f.ctx, filter)
		f.must(err)
		got := []store.EnrollmentID{}
		for _, one := range all {
			got = append(got, one.ID)
		}
		if !slices.Equal(got, want) {
			f.Errorf("list by %+v: %q, want %q", filter, got, want)
		}
	}
}

func code(f *fixture) {
	e := f.enroll("code", "c1")
	_, err := f.decide(e.ID, true, "ann")
	f.wantErr(err, store.ErrConflict) // a code needs no decision
	f.must1(f.redeem(e, "h"))

	ws, err := f.DefaultWorkspace(f.ctx)
	f.must(err)
	old, err := f.CreateEnrollment(f.ctx, store.Enrollment{Workspace: ws.ID, Kind: "code", SecretHash: "c2", ExpiresAt: time.Now().Add(-time.Minute)})
	f.must(err)
	_, err = f.redeem(old, "h")
	f.wantErr(err, store.ErrConflict)
}

func redeemedOnce(f *fixture) {
	e := f.enroll("code", "c1")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 4 {
		wg.Go(func() {
			_, err := f.RedeemEnrollment(f.ctx, store.RedeemEnrollment{
				Enrollment: e.ID, Hostname: fmt.Sprintf("h%d", i), OS: "linux", Version: "1",
				WorkerTokenHash: fmt.Sprintf("w%d", i), OperatorTokenHash: fmt.Sprintf("o%d", i),
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		f.Errorf("redeemed %d times", won)
	}
	ws, _ := f.DefaultWorkspace(f.ctx)
	if got, err := f.Workers(f.ctx, ws.ID); err != nil || len(got) != 1 {
		f.Errorf("workers %+v, %v", got, err)
	}
}

func oneWorkerPerHost(f *fixture) {
	first, err := f.redeem(f.enroll("code", "c1"), "h")
	f.must(err)
	f.must1(f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: first.ID, Disabled: true}))
	again, err := f.redeem(f.enroll("code", "c2"), "h")
	f.must(err)
	if again.ID != first.ID || !again.Disabled {
		f.Errorf("the same host became %+v", again)
	}
	f.must(f.DeleteWorker(f.ctx, first.ID))
	third, err := f.redeem(f.enroll("code", "c3"), "h")
	f.must(err)
	if third.ID == first.ID || third.Disabled {
		f.Errorf("after deletion the host became %+v", third)
	}
}

func tokens(f *fixture) {
	ws, err := f.DefaultWorkspace(f.ctx)
	f.must(err)
	f.must(f.CreateToken(f.ctx, store.Token{Hash: "h1", Kind: "pwk", Role: "admin", Name: "me", Workspace: ws.ID, LastFour: "abcd"}))
	f.wantErr(f.CreateToken(f.ctx, store.Token{Hash: "h1", Kind: "pwk", Workspace: ws.ID}), store.ErrConflict)
	f.must1(f.TokenByHash(f.ctx, "h1"))
	got, err := f.TokenByHash(f.ctx, "h1")
	f.must(err)
	if got.Role != "admin" || got.Kind != "pwk" || got.Name != "me" || got.LastFour != "abcd" || got.CreatedAt.IsZero() || got.LastUsedAt.IsZero() {
		f.Errorf("token %+v", got)
	}
	f.must(f.CreateToken(f.ctx, store.Token{Hash: "old", Kind: "pwk", Workspace: ws.ID, ExpiresAt: time.Now().Add(-time.Second)}))
	for _, hash := range []string{"old", "none"} {
		_, err := f.TokenByHash(f.ctx, hash)
		f.wantErr(err, store.ErrNotFound)
	}
	e := f.enroll("code", "c1")
	w, err := f.redeem(e, "h")
	f.must(err)
	for kind, role := range map[string]string{"wkt": "", "hos": "operator"} {
		got, err := f.TokenByHash(f.ctx, kind+"-"+string(e.ID))
		f.must(err)
		if got.Kind != kind || got.Role != role || got.Worker != w.ID || got.Workspace != ws.ID {
			f.Errorf("token %+v", got)
		}
	}
	f.must(f.DeleteWorker(f.ctx, w.ID))
	_, err = f.TokenByHash(f.ctx, "wkt-"+string(e.ID))
	f.wantErr(err, store.ErrNotFound)
}

func workersServe(f *fixture) {
	b, err := f.redeem(f.enroll("code", "c1"), "beta")
	f.must(err)
	a, err := f.redeem(f.enroll("code", "c2"), "alpha")
	f.must(err)
	if _, err := f.redeem(f.enroll("code", "c3"), "idle"); err != nil {
		f.Fatal(err)
	}
	serve := func(w store.WorkerID, service pipeline.ServiceID, version string) store.Worker {
		got, err := f.Serve(f.ctx, store.Serve{Worker: w, Service: service, Version: version})
		f.must(err)
		return got
	}
	if got := serve(a.ID, "pdf", ""); got.Service != "pdf" || got.ServiceVersion != "" || got.ServingSince.IsZero() {
		f.Errorf("a claim before any registration: %+v", got)
	}
	serve(a.ID, "pdf", "1.3.0")
	if got := serve(a.ID, "pdf", ""); got.ServiceVersion != "1.3.0" {
		f.Errorf("a claim forgot the version: %+v", got)
	}
	serve(b.ID, "pdf", "1.4.0")
	names := func(service pipeline.ServiceID) (out []string) {
		all, err := f.ServiceWorkers(f.ctx, service)
		f.must(err)
		for _, w := range all {
			out = append(out, string(w.Service)+" "+w.ServiceVersion+" "+w.Hostname)
		}
		return out
	}
	if diff := cmp.Diff([]string{"pdf 1.3.0 alpha", "pdf 1.4.0 beta"}, names("pdf")); diff != "" {
		f.Errorf("of one service (-want +got):\n%s", diff)
	}
	serve(b.ID, "mail", "") // another program of the same worker: the version is not that of the other service
	if diff := cmp.Diff([]string{"mail  beta", "pdf 1.3.0 alpha"}, names("")); diff != "" {
		f.Errorf("of all (-want +got):\n%s", diff)
	}
	f.must(f.DeleteWorker(f.ctx, a.ID))
	if got := names("pdf"); got != nil {
		f.Errorf("after it was deleted: %v", got)
	}
	_, err = f.Serve(f.ctx, store.Serve{Worker: a.ID, Service: "pdf"})
	f.wantErr(err, store.ErrNotFound)
}

func workerLife(f *fixture) {
	b, err := f.redeem(f.enroll("code", "c1"), "beta")
	f.must(err)
	a, err := f.redeem(f.enroll("code", "c2"), "alpha")
	f.must(err)
	all, err := f.Workers(f.ctx, a.Workspace)
	f.must(err)
	if len(all) != 2 || all[0].ID != a.ID || all[1].ID != b.ID {
		f.Errorf("workers %+v", all)
	}
	if !all[0].LastSeenAt.IsZero() {
		f.Errorf("seen at %v before any heartbeat", all[0].LastSeenAt)
	}
	got, err := f.TouchWorker(f.ctx, store.WorkerBeat{Worker: a.ID, CurrentRun: "trun_1"})
	f.must(err)
	if got.LastSeenAt.IsZero() || got.CurrentRun != "trun_1" || got.Version != "1.0.0" {
		f.Errorf("after a heartbeat %+v", got)
	}
	got, err = f.TouchWorker(f.ctx, store.WorkerBeat{Worker: a.ID, Version: "2"})
	f.must(err)
	if got.CurrentRun != "" || got.Version != "2" {
		f.Errorf("after another %+v", got)
	}
	got, err = f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: a.ID, Disabled: true})
	f.must(err)
	if !got.Disabled {
		f.Error("not disabled")
	}
	f.must(f.DeleteWorker(f.ctx, a.ID))
	f.wantErr(f.DeleteWorker(f.ctx, a.ID), store.ErrNotFound)
	_, err = f.Worker(f.ctx, a.ID)
	f.wantErr(err, store.ErrNotFound)
	_, err = f.TouchWorker(f.ctx, store.WorkerBeat{Worker: a.ID})
	f.wantErr(err, store.ErrNotFound)
	_, err = f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: a.ID})
	f.wantErr(err, store.ErrNotFound)
}

func workerEvents(f *fixture) {
	w, err := f.redeem(f.enroll("code", "c1"), "h")
	f.must(err)
	for i := range 3 {
		e, err := f.AddWorkerEvent(f.ctx, store.WorkerEvent{Worker: w.ID, Type: fmt.Sprintf("e%d", i), Data: []byte(`{"n": 1}`)})
		f.must(err)
		if e.Seq == 0 || e.At.IsZero() {
			f.Errorf("event %+v", e)
		}
	}
	all, err := f.WorkerEvents(f.ctx, w.ID, 0, 2)
	f.must(err)
	if len(all) != 2 || all[0].Type != "e0" || len(all[0].Data) == 0 {
		f.Fatalf("events %+v", all)
	}
	rest, err := f.WorkerEvents(f.ctx, w.ID, all[1].Seq, 10)
	f.must(err)
	if len(rest) != 1 || rest[0].Type != "e2" {
		f.Errorf("rest %+v", rest)
	}
	last, err := f.LastWorkerEvents(f.ctx, w.ID, 2)
	f.must(err)
	if len(last) != 2 || last[0].Type != "e1" || last[1].Type != "e2" || len(last[1].Data) == 0 {
		f.Errorf("last %+v", last)
	}
	_, err = f.AddWorkerEvent(f.ctx, store.WorkerEvent{Worker: "none", Type: "x"})
	f.wantErr(err, store.ErrNotFound)
}
