package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
)

func TestRun_claimsDoesReports(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	w := pull(t, e, doubler(), func(o *Options) { o.Slots = 3 })
	if got := receive(t, e.events, "an event"); got != api.EventWorkerStarted {
		t.Errorf("first event: %s", got)
	}
	if poll := receive(t, e.polls, "a claim"); poll.ServiceID != "math" || poll.Max != 3 || poll.WaitMs != 10_000 {
		t.Errorf("claim: %+v", poll)
	}
	d := e.dispatch("trun_1", "double", nil)
	d.Input = json.RawMessage(`{"n":4}`) // inline: the stored one is not read
	e.claims <- []api.Dispatch{d}
	got := receive(t, e.reports, "the report")
	if got.wire != "trun_1" || got.Status != "success" || e.object(got.OutputPath) != "{\n  \"n\": 8\n}" {
		t.Errorf("got %+v", got)
	}
	registered := e.registrations()
	if len(registered) != 1 || registered[0].BaseURL != "" || registered[0].Capabilities[0] != api.CapabilityInlineInput {
		t.Errorf("registrations: %+v", registered)
	}
	w.stop()
	if err := w.wait(); err != nil {
		t.Error(err)
	}
	if got := receive(t, e.events, "an event"); got != api.EventWorkerStopped {
		t.Errorf("last event: %s", got)
	}
}

// It never asks for more than it can hold, and asks again as soon as a slot
// is free.
func TestRun_slots(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	gate := make(chan struct{})
	pull(t, e, one(func(*Context) (any, error) { <-gate; return nil, nil }), func(o *Options) { o.Slots = 2 })
	if poll := receive(t, e.polls, "a claim"); poll.Max != 2 {
		t.Errorf("first claim asks for %d", poll.Max)
	}
	e.claims <- []api.Dispatch{e.dispatch("trun_1", "work", nil)}
	if poll := receive(t, e.polls, "a claim"); poll.Max != 1 {
		t.Errorf("with one in hand it asks for %d", poll.Max)
	}
	e.claims <- []api.Dispatch{e.dispatch("trun_2", "work", nil)}
	gate <- struct{}{}
	receive(t, e.reports, "a report")
	if poll := receive(t, e.polls, "a claim"); poll.Max != 1 {
		t.Errorf("with one slot free again it asks for %d", poll.Max)
	}
	close(gate)
	receive(t, e.reports, "a report")
}

func TestRun_manyRuns(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	pull(t, e, doubler(), func(o *Options) { o.Slots = 4 })
	const n = 40
	go func() {
		for i := 0; i < n; i += 2 {
			e.claims <- []api.Dispatch{
				e.dispatch(fmt.Sprintf("trun_%d", i), "double", number2{i}), e.dispatch(fmt.Sprintf("trun_%d", i+1), "double", number2{i + 1}),
			}
		}
	}()
	seen := map[string]bool{}
	for range n {
		got := receive(t, e.reports, "a report")
		if got.Status != "success" || seen[got.wire] {
			t.Errorf("%s: %s %s, seen before: %t", got.wire, got.Status, got.Error, seen[got.wire])
		}
		seen[got.wire] = true
	}
}

func TestRun_beats(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	pull(t, e, one(func(ctx *Context) (any, error) {
		ctx.Progress(50, "half")
		<-ctx.Done()
		return nil, ctx.Err()
	}), nil)
	if beat := receive(t, e.beats, "a beat while idle"); len(beat.Runs) != 0 {
		t.Errorf("idle: %+v", beat)
	}
	d := e.dispatch("trun_1", "work", nil)
	d.HeartbeatIntervalMs = 10
	e.claims <- []api.Dispatch{d}
	progress := false
	for n := 0; n < 3; {
		beat := receive(t, e.beats, "a beat")
		if len(beat.Runs) != 1 {
			continue
		}
		n++
		if run := beat.Runs[0]; run.Progress != nil {
			progress = *run.Progress == 50 && run.Message == "half" && run.Attempt == 1
		}
	}
	if !progress {
		t.Error("no beat carried the progress")
	}
	e.set(func() { e.cancel["trun_1"] = true })
	if got := receive(t, e.reports, "the report"); got.ErrorCode != CodeCancelled {
		t.Errorf("got %s", got.ErrorCode)
	}
}

// A control plane that forgot the worker is told its tasks again.
func TestRun_registersAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 409} {
		e := newEngine(t, workerToken)
		e.onClaim = func(n int, w http.ResponseWriter) bool {
			if n == 2 {
				answer(w, status, api.Error{Message: "unknown service"})
			}
			return n == 2
		}
		w := pull(t, e, doubler(), nil)
		receive(t, e.polls, "a claim")
		e.claims <- nil
		e.claims <- nil
		w.log.wait("answers again")
		if n := len(e.registrations()); n != 2 {
			t.Errorf("%d: registered %d times, want 2", status, n)
		}
		for _, want := range []string{api.EventWorkerStarted, api.EventPollError, api.EventPollRecovered} {
			if got := receive(t, e.events, want); got != want {
				t.Errorf("%d: event %s, want %s", status, got, want)
			}
		}
	}
}

func TestRun_survivesAnOutage(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	e.refuse = http.StatusServiceUnavailable
	w := pull(t, e, doubler(), nil)
	w.log.wait("cannot be used, trying again")
	e.set(func() { e.refuse = 0 })
	e.claims <- []api.Dispatch{e.dispatch("trun_1", "double", number2{1})}
	if got := receive(t, e.reports, "the report"); got.Status != "success" {
		t.Errorf("got %s %s", got.Status, got.Error)
	}
}

func TestRun_revokedToken(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	w := pull(t, e, one(func(ctx *Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() }), func(o *Options) { o.BeatInterval = 10 * time.Millisecond })
	e.claims <- []api.Dispatch{e.dispatch("trun_1", "work", nil)}
	w.log.wait("run started run=trun_1 task=work")
	e.set(func() { e.refuse = http.StatusUnauthorized })
	if err := w.wait(); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("got %v, want ErrUnauthorized", err)
	}
}

func TestRun_disabled(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	e.onClaim = func(_ int, w http.ResponseWriter) bool {
		reply(w, api.ClaimResponse{Runs: []api.Dispatch{}, Disabled: true})
		return true
	}
	w := pull(t, e, doubler(), nil)
	w.log.wait("an operator disabled this worker")
	w.stop()
	if err := w.wait(); err != nil {
		t.Error(err)
	}
	if n := len(e.polls); n > 2 {
		t.Errorf("%d claims while disabled", n)
	}
}

// Told to stop it claims no more, finishes what it has, and reports it.
func TestRun_drain(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	gate := make(chan struct{})
	w := pull(t, e, one(func(*Context) (any, error) { <-gate; return nil, nil }), nil)
	e.claims <- []api.Dispatch{e.dispatch("trun_1", "work", nil)}
	w.log.wait("run started run=trun_1 task=work")
	for range 2 { // the one that got it, and the one that waits now
		receive(t, e.polls, "a claim")
	}
	w.stop()
	w.log.wait("stopping: runs in hand are waited for runs=1")
	close(gate)
	if got := receive(t, e.reports, "the report"); got.Status != "success" {
		t.Errorf("got %s %s", got.Status, got.Error)
	}
	if err := w.wait(); err != nil {
		t.Error(err)
	}
	if len(e.polls) != 0 {
		t.Error("it claimed while stopping")
	}
}

// Even a control plane that never answers again does not keep a worker from
// stopping.
func TestRun_drainWithoutControlPlane(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{0, 10 * time.Millisecond} {
		e := newEngine(t, workerToken)
		e.onReport = func(_ int, w http.ResponseWriter) bool { w.WriteHeader(http.StatusInternalServerError); return true }
		w := pull(t, e, doubler(), func(o *Options) { o.DrainTimeout, o.settle = limit, 10*time.Millisecond })
		e.claims <- []api.Dispatch{e.dispatch("trun_1", "double", number2{1})}
		w.log.wait("report not delivered")
		w.stop()
		if err := w.wait(); err != nil {
			t.Error(err)
		}
	}
}

func TestRun_taskItDoesNotHave(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	pull(t, e, doubler(), nil)
	e.claims <- []api.Dispatch{e.dispatch("trun_1", "triple", nil)}
	got := receive(t, e.reports, "the report")
	if got.Status != "failed" || got.Error != "Task 'triple' not found" || !*got.Retryable {
		t.Errorf("got %s %q", got.Status, got.Error)
	}
}

func TestRun_severalServices(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	o, log := testOptions(t, e)
	o.Token, o.Slots = workerToken, 4
	w := launch(t, log, "", func(ctx context.Context) error {
		return RunSets(ctx, []*Set{doubler(), one(func(*Context) (any, error) { return nil, nil })}, o)
	})
	services := map[string]int{}
	for range 2 {
		poll := receive(t, e.polls, "a claim")
		services[poll.ServiceID] = poll.Max
	}
	if services["math"] != 2 || services["test"] != 2 {
		t.Errorf("claims: %v, want both services with half of the slots", services)
	}
	w.stop()
	if err := w.wait(); err != nil {
		t.Error(err)
	}
}

func TestStayOnline(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	o, log := testOptions(t, e)
	o.Token = workerToken
	w := launch(t, log, "", func(ctx context.Context) error { return StayOnline(ctx, o) })
	receive(t, e.beats, "a beat")
	w.stop()
	if err := w.wait(); err != nil {
		t.Error(err)
	}
	if len(e.polls) != 0 {
		t.Error("it claimed")
	}
}

func TestRun_runEvents(t *testing.T) {
	t.Parallel()
	e := newEngine(t, workerToken)
	dir := filepath.Join(t.TempDir(), "w-1")
	set := one(func(ctx *Context) (any, error) {
		ctx.Log().Info("the token is " + workerToken)
		ctx.Progress(10, "a little")
		return nil, Fatal("X", "gave up")
	})
	for range 2 { // the same run comes to this host again: the numbers go on
		w := pull(t, e, set, func(o *Options) { o.RunEventsDir = dir })
		e.claims <- []api.Dispatch{e.dispatch("trun_1", "work", nil)}
		receive(t, e.reports, "the report")
		w.stop()
		if err := w.wait(); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "trun_1.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), workerToken) {
		t.Error("the token is in the events")
	}
	var types []string
	for i, text := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		var line runEvent
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line.Seq != int64(i+1) || line.TS.IsZero() {
			t.Errorf("line %d has number %d", i+1, line.Seq)
		}
		types = append(types, line.Type)
	}
	if got := strings.Join(types, " "); got != "system system system result system system system result" {
		t.Errorf("types: %s", got)
	}
	if !strings.Contains(string(data), `"result":"failed: gave up"`) {
		t.Error("the result is missing")
	}
}

func TestRun_badOptions(t *testing.T) {
	t.Parallel()
	err := doubler().Run(t.Context(), Options{APIURL: "http://x", Storage: openLocal})
	if err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("got %v", err)
	}
	if err := RunSets(t.Context(), nil, Options{}); err == nil {
		t.Error("no set was accepted")
	}
}
