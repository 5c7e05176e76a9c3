package daemon

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/sqlitefile"
)

// agreed fails unless the host and the control plane have the same workers, and
// give w1 work, or none, alike.
func agreed(t *testing.T, d running, p *plane, dir hostdir.Dir) {
	t.Helper()
	local, err := d.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	known := len(p.workers)
	p.mu.Unlock()
	if known != len(local) {
		t.Errorf("the control plane has %d workers, the host %d", known, len(local))
	}
	for _, w := range local {
		remote, e := p.remote(w.ID), entryOf(t, dir, w.ID)
		if remote == nil || remote.Disabled == e.Enabled {
			t.Errorf("%s: the control plane has %+v, the host %+v", w.ID, remote, e)
		}
		if e.Running {
			d.pid(t, w.ID)
		}
	}
}

// Whatever becomes of an answer on its way, and whatever the control plane did
// before it failed, in the end both sides have the same.
func TestOperation_answersThatTellNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb   string
		first  []spoilt // of the changes it asks for
		status string   // of the operation in the end
	}{
		{"disable", []spoilt{cut}, "succeeded"},
		{"disable", []spoilt{cutOff, cut, gateway}, "succeeded"},
		{"disable", []spoilt{gateway}, "succeeded"},
		{"disable", []spoilt{silent}, "succeeded"},
		{"disable", []spoilt{broke}, "failed"},
		{"disable", []spoilt{broken}, "failed"},
		{"disable", []spoilt{broke, broken, cut}, "failed"},
		{"enable", []spoilt{cut}, "succeeded"},
		{"enable", []spoilt{broke}, "failed"},
		{"delete", []spoilt{cut, cut}, "succeeded"},
		{"delete", []spoilt{broke}, "failed"},
		{"delete", []spoilt{fine, broke}, "succeeded"},
		{"delete", []spoilt{fine, broken}, "succeeded"},
		{"delete", []spoilt{silent, gateway}, "succeeded"},
		{"delete", []spoilt{fine, refused3, cut}, "failed"},
		{"build", []spoilt{cut}, "succeeded"},
		{"build", []spoilt{gateway, silent}, "succeeded"},
		{"build", []spoilt{broke}, "failed"},
		{"build", []spoilt{fine, cut}, "succeeded"},
		{"build", []spoilt{fine, cutOff}, "succeeded"},
		{"build", []spoilt{fine, cut, cut}, "succeeded"},
	} {
		t.Run(fmt.Sprint(c.verb, c.first), func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, "w1")
			dir := newHome(t, p.URL, "w1")
			o := testOptions(dir)
			// Long enough for an answer on a busy machine: a change that is asked for once
			// more would meet what is meant for the next.
			o.askLimit = 3 * time.Second
			d := startDaemon(t, o)
			d.pid(t, "w1")
			if c.verb == "enable" {
				if _, err := d.Act(t.Context(), "w1", "disable"); err != nil {
					t.Fatal(err)
				}
			}
			p.mu.Lock()
			p.spoil = c.first
			p.mu.Unlock()
			switch c.verb { // the answer may say that it goes on; the journal says how it ended
			case "delete":
				_, _ = d.Delete(t.Context(), "w1")
			case "build":
				_, _ = d.Build(t.Context(), api.BuildRequest{APIURL: p.URL, Label: "pdf"})
			default:
				_, _ = d.Act(t.Context(), "w1", c.verb)
			}
			op := d.settled(t)
			if op.Kind != c.verb || op.Status != c.status {
				t.Errorf("the operation ended %s: %+v", op.Status, op)
			}
			agreed(t, d, p, dir)
		})
	}
}

// A control plane that fails at it for good is not asked for ever.
func TestOperation_failsForGood(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	once := sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.spoil = []spoilt{broken, broken, broken, broken, broken, broken}
	})
	o.reached = func(point string) {
		if point == "delete/revoke/begun" {
			once()
		}
	}
	d := startDaemon(t, o)
	d.pid(t, "w1")
	_, _ = d.Delete(t.Context(), "w1")
	if op := d.settled(t); op.Status != "failed" {
		t.Errorf("operation %+v", op)
	}
	agreed(t, d, p, dir)
}

// A manifest that takes no writes for a moment holds an operation up, and does
// not end it.
func TestOperation_manifestFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	for verb, point := range map[string]string{
		"disable": "disable/record/begun", "delete": "delete/remove/begun", "build": "build/register/ran",
	} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, "w1")
			dir := newHome(t, p.URL, "w1")
			o := testOptions(dir)
			release := make(chan func() error, 1)
			var once sync.Once
			o.reached = func(at string) {
				if at == point {
					once.Do(func() { release <- lockManifest(t, dir) })
				}
			}
			d := startDaemon(t, o)
			d.pid(t, "w1")
			var err error
			switch verb {
			case "delete":
				_, err = d.Delete(t.Context(), "w1")
			case "build":
				_, err = d.Build(t.Context(), api.BuildRequest{APIURL: p.URL, Label: "pdf"})
			default:
				_, err = d.Act(t.Context(), "w1", verb)
			}
			if verb != "build" { // that one does not wait
				answer := asAPI(t, err)
				if answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Message, "manifest cannot be written") {
					t.Errorf("%s while the manifest is locked: %+v", verb, answer)
				}
			}
			if err := (<-release)(); err != nil {
				t.Fatal(err)
			}
			if op := d.settled(t); op.Status != "succeeded" {
				t.Errorf("operation %+v", op)
			}
			agreed(t, d, p, dir)
		})
	}
}

// Nobody hears of an end that is not in the journal: killed now, the daemon
// would take it back.
func TestOperation_endsInTheJournalFirst(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	o := testOptions(dir)
	release := make(chan func() error, 1)
	o.reached = func(at string) {
		if at == "disable/drain/done" {
			release <- lockManifest(t, dir)
		}
	}
	d := startDaemon(t, o)
	d.pid(t, "w1")
	_, err := d.Act(t.Context(), "w1", "disable")
	if answer := asAPI(t, err); answer.Status != http.StatusServiceUnavailable {
		t.Errorf("disable while its end cannot be written: %+v", answer)
	}
	all, err := d.Operations(t.Context(), 1)
	noError(t, err)
	if len(all) != 1 || all[0].Status != "running" || !all[0].EndedAt.IsZero() || !strings.Contains(all[0].Error, "manifest cannot be written") {
		t.Errorf("operations while the end cannot be written: %+v", all)
	}
	if err := (<-release)(); err != nil {
		t.Fatal(err)
	}
	if op := d.settled(t); op.Status != "succeeded" || op.Error != "" {
		t.Errorf("operation %+v", op)
	}
}

// lockManifest holds the manifest's write lock until release is called.
func lockManifest(t *testing.T, dir hostdir.Dir) (release func() error) {
	t.Helper()
	db, err := sqlitefile.Open(t.Context(), dir.Manifest(), sqlitefile.Options{})
	if err != nil {
		t.Error(err)
		return func() error { return err }
	}
	tx, err := db.Writer.BeginTx(t.Context(), nil)
	if err != nil {
		t.Error(err)
		return db.Close
	}
	return func() error {
		_ = tx.Rollback() // it did nothing
		return db.Close()
	}
}

// A daemon that is killed while it takes something back is followed by one
// that takes it back to the end.
func TestOperation_killedWhileTakingBack(t *testing.T) {
	t.Parallel()
	for verb, c := range map[string]struct {
		spoil  []spoilt
		points []string
	}{
		"disable": {[]spoilt{broke}, []string{"disable/agree/undoing", "disable/agree/undone"}},
		"delete": {[]spoilt{fine, refused3}, []string{
			"delete/stop/undoing", "delete/stop/undone", "delete/disable/undoing", "delete/disable/undone",
		}},
		"build": {[]spoilt{fine, refused3}, []string{"build/register/undoing", "build/register/undone"}},
	} {
		for _, point := range c.points {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				p := newPlane(t, "w1")
				dir := newHome(t, p.URL, "w1")
				p.spoil = c.spoil
				first := spawnDaemon(t, dir, dieVar+"="+point)
				d := first.client(t, dir)
				d.pid(t, "w1")
				switch verb {
				case "delete":
					_, _ = d.Delete(t.Context(), "w1")
				case "build":
					_, _ = d.Build(t.Context(), api.BuildRequest{APIURL: p.URL, Label: "pdf"})
				default:
					_, _ = d.Act(t.Context(), "w1", verb)
				}
				<-first.ended
				d = startDaemon(t, testOptions(dir))
				if op := d.settled(t); op.Kind != verb || op.Status != "failed" || op.Error == "" {
					t.Errorf("the operation ended %s: %+v", op.Status, op)
				}
				if e := entryOf(t, dir, "w1"); !e.Running || !e.Enabled {
					t.Errorf("the worker is not as it was: %+v", e)
				}
				agreed(t, d, p, dir)
			})
		}
	}
}
