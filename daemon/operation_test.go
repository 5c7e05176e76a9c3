package daemon

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// settled waits until no operation runs, and returns the newest.
func (r running) settled(t *testing.T) api.Operation {
	t.Helper()
	var newest api.Operation
	until(t, "no operation runs", func() bool {
		all, err := r.Operations(t.Context(), 50)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range all {
			if op.Status == "running" {
				return false
			}
		}
		if len(all) > 0 {
			newest = all[0]
		}
		return true
	})
	return newest
}

// entryOf reads an entry; a zero one when there is none.
func entryOf(t *testing.T, dir hostdir.Dir, id string) manifest.Entry {
	t.Helper()
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	e, _ := m.Entry(t.Context(), id)
	return e
}

// A daemon that is killed anywhere in the middle of a change leaves nothing
// that the next one does not bring to an end on which both sides agree.
func TestOperation_killedAtEveryStep(t *testing.T) {
	t.Parallel()
	points := map[string][]string{
		"disable": {"disable/agree/begun", "disable/agree/done", "disable/record/begun", "disable/record/done", "disable/ended"},
		"enable":  {"enable/agree/begun", "enable/agree/done", "enable/record/done"},
		"delete": {
			"delete/disable/begun", "delete/disable/done", "delete/drain/begun", "delete/stop/begun", "delete/stop/done",
			"delete/revoke/begun", "delete/revoke/done", "delete/remove/begun", "delete/remove/entry", "delete/remove/done", "delete/ended",
		},
		"build": {
			"build/mint/begun", "build/mint/done", "build/register/begun", "build/register/ran", "build/register/done",
			"build/add/begun", "build/add/done", "build/start/begun", "build/start/done", "build/ended",
		},
		"stop": {"act/stop/recorded"},
	}
	for verb, all := range points {
		for _, point := range all {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				killedAt(t, verb, point)
			})
		}
	}
}

func killedAt(t *testing.T, verb, point string) {
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	if verb == "enable" { // it starts from the opposite
		p.workers["w1"].Disabled = true
		m, err := manifest.Open(t.Context(), dir.Manifest())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetEnabled(t.Context(), "w1", false); err != nil {
			t.Fatal(err)
		}
		_ = m.Close()
	}
	first := spawnDaemon(t, dir, dieVar+"="+point)
	d := first.client(t, dir)
	pid := d.pid(t, "w1")
	var err error
	switch verb {
	case "delete":
		_, err = d.Delete(t.Context(), "w1")
	case "build":
		_, err = d.Build(t.Context(), api.BuildRequest{APIURL: p.URL, Label: "pdf"})
	default:
		_, err = d.Act(t.Context(), "w1", verb)
	}
	<-first.ended // it got there, or the test's own deadline says that it did not
	if err != nil && asAPI(t, err).Status != 0 {
		t.Fatalf("it was refused: %v", err)
	}

	d = startDaemon(t, testOptions(dir)) // its end takes the workers along
	if op := d.settled(t); verb != "stop" && op.Status != "succeeded" {
		t.Errorf("the operation ended %s: %+v", op.Status, op)
	}
	e := entryOf(t, dir, "w1")
	remote := p.remote("w1")
	switch verb {
	case "disable", "enable":
		want := verb == "disable"
		if remote == nil || remote.Disabled != want || e.Enabled == want {
			t.Errorf("they do not agree: %+v and %+v", remote, e)
		}
		if now := d.pid(t, "w1"); now != pid {
			t.Errorf("the worker was touched")
		}
	case "delete":
		until(t, "the process ends", func() bool { return !alive(pid) })
		if remote != nil || e.ID != "" {
			t.Errorf("it is still there: %+v and %+v", remote, e)
		}
		if _, err := os.Stat(dir.WorkerConfig("w1")); err == nil {
			t.Error("its configuration is still there")
		}
	case "build":
		d.settled(t)
		built := 0
		workers, err := d.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range workers {
			if w.Label == "pdf" {
				built++
				d.pid(t, w.ID)
				if p.remote(w.ID) == nil {
					t.Error("the control plane does not know it")
				}
			}
		}
		if built != 1 || len(p.workers) != 2 {
			t.Errorf("%d were built, the control plane has %d", built, len(p.workers))
		}
	case "stop":
		until(t, "the process ends", func() bool { return !alive(pid) })
	}
}

func TestAct_doubleClicksDoOneAction(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	d.pid(t, "w1")
	p.run("w1", "trun_1") // it drains until told
	var all sync.WaitGroup
	answers := make([]api.ActionResult, 5)
	for i := range answers {
		all.Go(func() {
			var err error
			if answers[i], err = d.Delete(context.Background(), "w1"); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "it drains", func() bool {
		ops, err := d.Operations(t.Context(), 10)
		return err == nil && len(ops) == 1 && ops[0].Step == "drain" && strings.Contains(ops[0].Message, "trun_1")
	})
	// Nothing is revoked while the run is in hand, and nobody starts it anew.
	if did := p.did(); strings.Contains(did, "DELETE") {
		t.Errorf("revoked before the drain: %s", did)
	}
	_, err := d.Act(t.Context(), "w1", "enable")
	if answer := asAPI(t, err); answer.Status != http.StatusConflict || !strings.Contains(answer.Fix, "operations cancel") {
		t.Errorf("enable during a delete: %+v", answer)
	}
	p.run("w1", "")
	all.Wait()
	for _, a := range answers {
		if a != answers[0] || !a.OK || a.InFlight != 1 {
			t.Errorf("answers differ: %+v and %+v", a, answers[0])
		}
	}
	if did := p.did(); did != "POST w1/disable,DELETE w1" {
		t.Errorf("the control plane was asked: %s", did)
	}
}

func TestAct_deleteCancelled(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	o.StopWait = 20 * time.Millisecond
	d := startDaemon(t, o)
	pid := d.pid(t, "w1")
	p.run("w1", "trun_1")
	answer, err := d.Delete(t.Context(), "w1")
	if err != nil || !answer.Draining || answer.Operation == "" {
		t.Fatalf("delete: %+v, %v", answer, err)
	}
	if _, err := d.CancelOperation(t.Context(), answer.Operation); err != nil {
		t.Fatal(err)
	}
	if op := d.settled(t); op.Status != "cancelled" {
		t.Errorf("operation %+v", op)
	}
	if remote := p.remote("w1"); remote == nil || remote.Disabled {
		t.Errorf("the control plane has %+v", remote)
	}
	if now := d.pid(t, "w1"); now != pid {
		t.Error("the worker was touched")
	}
	_, err = d.CancelOperation(t.Context(), answer.Operation)
	if asAPI(t, err).Status != http.StatusConflict {
		t.Errorf("cancelled twice: %v", err)
	}
	// At once, whatever it has in hand.
	if _, err := d.Delete(t.Context(), "w1", "now"); err != nil {
		t.Fatal(err)
	}
	until(t, "it is gone", func() bool { return p.remote("w1") == nil && !alive(pid) && d.worker(t, "w1").ID == "" })
}

// Who asks for the same while an operation is being taken back does not join
// it: that would end with the opposite of what was asked for.
func TestAct_deleteAfterACancelledOne(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	o.StopWait = 20 * time.Millisecond
	atEnd, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	o.reached = func(point string) {
		if point == "delete/ended" {
			once.Do(func() {
				close(atEnd)
				<-goOn
			})
		}
	}
	d := startDaemon(t, o)
	d.pid(t, "w1")
	p.run("w1", "trun_1")
	answer, err := d.Delete(t.Context(), "w1")
	if err != nil || !answer.Draining {
		t.Fatalf("delete: %+v, %v", answer, err)
	}
	if _, err := d.CancelOperation(t.Context(), answer.Operation); err != nil {
		t.Fatal(err)
	}
	<-atEnd
	// It is told to come again rather than that it was cancelled.
	if _, err := d.Delete(t.Context(), "w1", "now"); asAPI(t, err).Status != http.StatusConflict || !strings.Contains(err.Error(), "taken back") {
		t.Errorf("while it ends: %v", err)
	}
	close(goOn)
	until(t, "it may be asked again", func() bool { _, err := d.Delete(t.Context(), "w1", "now"); return err == nil })
	until(t, "it is gone", func() bool { return p.remote("w1") == nil })
}

// A control plane that refuses to delete gets the worker back as it was.
func TestAct_deleteRefusedLate(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	o.reached = func(point string) {
		if point == "delete/stop/done" {
			p.set(http.StatusForbidden)
		}
		if point == "delete/revoke/done" {
			p.set(0)
		}
	}
	d := startDaemon(t, o)
	pid := d.pid(t, "w1")
	_, err := d.Delete(t.Context(), "w1")
	if asAPI(t, err).Status != http.StatusBadGateway {
		t.Errorf("delete: %v", err)
	}
	if again := d.pid(t, "w1"); again == pid {
		t.Error("it was not stopped in between")
	}
	if up, enabled := wanted(t, dir, "w1"); !up || !enabled || p.remote("w1").Disabled {
		t.Errorf("running %v, enabled %v, remote %+v", up, enabled, p.remote("w1"))
	}
}

func TestAct_worksOffline(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	pid := d.pid(t, "w1")
	p.CloseClientConnections() // streams would hold it open
	p.Close()
	_, err := d.Act(t.Context(), "w1", "disable")
	if answer := asAPI(t, err); answer.Status != http.StatusBadGateway || !strings.Contains(answer.Fix, " stop w1") {
		t.Errorf("disable: %+v", answer)
	}
	for _, verb := range []string{"restart", "stop", "start"} {
		if _, err := d.Act(t.Context(), "w1", verb); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
		if verb == "restart" {
			if now := d.pid(t, "w1"); now == pid {
				t.Error("restart left the process")
			}
		}
	}
	d.pid(t, "w1")
}

// What another program writes is taken up without being told.
func TestNotice_anotherProgramsChange(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1", "w2")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	d.pid(t, "w1")
	addWorker(t, dir, p.URL, "w2")
	d.pid(t, "w2") // a poll of the control plane woke the daemon
}

// Whoever asks right after an action is told of it, though events are written
// in batches.
func TestHostEvents_atOnce(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	d := startDaemon(t, testOptions(newHome(t, p.URL, "w1")))
	d.pid(t, "w1")
	if _, err := d.Act(t.Context(), "w1", "stop"); err != nil {
		t.Fatal(err)
	}
	got, err := d.HostEvents(t.Context(), 0, "w1", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got.Items {
		if e.Type == "action.stop" {
			return
		}
	}
	t.Errorf("no word of the stop in %+v", got.Items)
}

func TestHostEvents_tellWhoDidWhat(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	pid := d.pid(t, "w1")
	if _, err := d.Act(t.Context(), "w1", "stop"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Act(t.Context(), "w1", "disable"); err != nil {
		t.Fatal(err)
	}
	_ = pid
	var seen []string
	until(t, "the events are there", func() bool {
		got, err := d.HostEvents(t.Context(), 0, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		seen = nil
		for _, e := range got.Items {
			seen = append(seen, e.Type)
		}
		all := strings.Join(seen, ",")
		for _, want := range []string{
			"daemon.started", "worker.started", "worker.exited", "action.stop", "operation.running", "operation.succeeded", "action.disable",
		} {
			if !strings.Contains(all, want) {
				return false
			}
		}
		return got.Next == got.Items[len(got.Items)-1].Seq
	})
	got, err := d.HostEvents(t.Context(), 0, "w1", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got.Items {
		if e.WorkerID != "w1" || e.Type == "action.stop" && !strings.Contains(string(e.Data), `"by":"cli"`) {
			t.Errorf("event %+v %s", e, e.Data)
		}
	}
	after, err := d.HostEvents(t.Context(), got.Next, "w1", 100)
	if err != nil || len(after.Items) != 0 || after.Next != got.Next {
		t.Errorf("after the last: %+v, %v", after, err)
	}
	// The next daemon tells that this one ended in order.
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	d = startDaemon(t, testOptions(dir))
	until(t, "the end is told", func() bool {
		got, err := d.HostEvents(t.Context(), 0, "", 100)
		text := ""
		for _, e := range got.Items {
			text += e.Type + ","
		}
		return err == nil && strings.Contains(text, "daemon.stopped,") && !strings.Contains(text, "daemon.killed")
	})
}

func TestBuild(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	d.pid(t, "w1")
	build := func(req api.BuildRequest) (api.Operation, error) {
		result, err := d.Build(t.Context(), req)
		if err != nil {
			return api.Operation{}, err
		}
		var op api.Operation
		until(t, "the build ends", func() bool {
			op, err = d.Operation(t.Context(), result.Operation.ID)
			return err == nil && op.Status != "running"
		})
		return op, nil
	}
	// Everything wrong is found before a token is minted.
	for name, c := range map[string]struct {
		req    api.BuildRequest
		status int
		text   string
	}{
		"label taken":   {api.BuildRequest{APIURL: p.URL, Label: "label-w1"}, 409, "is taken by w1"},
		"wrong prefix":  {api.BuildRequest{APIURL: p.URL, Token: "pool_secret-of-the-pool"}, 422, `"pool_"`},
		"pool":          {api.BuildRequest{APIURL: p.URL, Pool: true}, 422, "needs a registration token"},
		"no sibling":    {api.BuildRequest{APIURL: "https://elsewhere.test"}, 409, "which workspace"},
		"no credential": {api.BuildRequest{APIURL: "https://elsewhere.test", WorkspaceID: "ws9"}, 409, "no operator credential"},
		"task file":     {api.BuildRequest{APIURL: p.URL, Tasks: []string{"relative.yaml"}}, 422, "task file"},
		"plain http":    {api.BuildRequest{APIURL: "http://elsewhere.test"}, 422, "apiUrl"},
	} {
		_, err := build(c.req)
		if answer := asAPI(t, err); answer.Status != c.status || !strings.Contains(answer.Message, c.text) || strings.Contains(answer.Message, "secret") {
			t.Errorf("%s: %+v", name, answer)
		}
	}
	if p.minted != 0 {
		t.Errorf("%d tokens were minted for nothing", p.minted)
	}

	op, err := build(api.BuildRequest{APIURL: p.URL, Label: "pdf"})
	if err != nil || op.Status != "succeeded" || op.WorkerID == "" || op.Progress != 100 {
		t.Fatalf("build: %+v, %v", op, err)
	}
	d.pid(t, op.WorkerID)
	if e := entryOf(t, dir, op.WorkerID); e.Label != "pdf" || e.WorkspaceID != "ws1" || e.ConfigPath != dir.WorkerConfig("pdf") {
		t.Errorf("entry %+v", e)
	}
	// Without a label each gets a name of its own.
	first, err := build(api.BuildRequest{APIURL: p.URL})
	if err != nil {
		t.Fatal(err)
	}
	second, err := build(api.BuildRequest{APIURL: p.URL})
	if err != nil || second.Status != "succeeded" || second.WorkerID == first.WorkerID {
		t.Errorf("second build: %+v, %v", second, err)
	}
	// A refused token shows its beginning at most, and leaves nothing.
	op, err = build(api.BuildRequest{APIURL: p.URL, Label: "late", Token: "wrk_used-already-and-secret"})
	if err != nil || op.Status != "failed" || strings.Contains(op.Error, "secret") || !strings.Contains(op.Error, "already_consumed") {
		t.Errorf("a used token: %+v, %v", op, err)
	}
	if _, err := os.Stat(dir.WorkerConfig("late")); err == nil {
		t.Error("a configuration was left")
	}
	data, err := os.ReadFile(dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"wrk_registration", "wrk_used"} {
		if strings.Contains(string(data), secret) {
			t.Errorf("the manifest holds %s", secret)
		}
	}
}
