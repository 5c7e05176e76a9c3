package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
)

// revokedWithin is the time in which what a revoked credential holds open ends,
// on every replica.
const revokedWithin = 5 * time.Second

// replica is another server of the same installation.
func (p *plane) replica(t testing.TB) *plane {
	t.Helper()
	other := &plane{home: filepath.Join(t.TempDir(), "pipeweave"), port: freePort(t)}
	other.env = append(slices.Clone(p.env), "PIPEWEAVE_HOME="+other.home, "PIPEWEAVE_ORCHESTRATOR_URL="+other.url(""))
	if err := os.Mkdir(other.home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other.home, "admin.token"), []byte(p.token(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	other.start(t)
	return other
}

// tap sees the requests that pass, also while they are open.
type tap struct {
	mu  sync.Mutex
	all []*passed
}

type passed struct {
	path, credential string
	ended            time.Time // zero while it is open
	status           int
}

// passing notes how a request is answered.
type passing struct {
	http.ResponseWriter
	tap *tap
	*passed
}

func (p *passing) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *passing) WriteHeader(status int) {
	p.tap.mu.Lock()
	p.status = status
	p.tap.mu.Unlock()
	p.ResponseWriter.WriteHeader(status)
}

func (s *tap) see(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one := &passed{path: r.URL.Path, credential: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
		s.mu.Lock()
		s.all = append(s.all, one)
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			one.ended = time.Now()
		}()
		next.ServeHTTP(&passing{w, s, one}, r)
	})
}

// open are the requests that are, by whose credential begins so and whose path
// ends so.
func (s *tap) open(credential, path string) (out []*passed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if one.ended.IsZero() && strings.HasPrefix(one.credential, credential) && strings.HasSuffix(one.path, path) {
			out = append(out, one)
		}
	}
	return out
}

// end waits for the end of requests and returns how long after a moment the
// last of them came.
func (s *tap) end(t testing.TB, what string, all []*passed, since time.Time) time.Duration {
	t.Helper()
	var last time.Time
	eventually(t, what+" to end", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, one := range all {
			if one.ended.IsZero() {
				return false
			}
			if one.ended.After(last) {
				last = one.ended
			}
		}
		return true
	})
	return last.Sub(since)
}

// listen reads a stream until it ends, and closes what it returns then.
func listen(t testing.TB, url, token string) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s answers %d", url, resp.StatusCode)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		}
	}()
	t.Cleanup(func() { cancel(); <-ended; _ = resp.Body.Close() })
	return ended
}

func tokenOf(t testing.TB, file string) string {
	t.Helper()
	var config struct{ WorkerToken string }
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return config.WorkerToken
}

// TestRevocation_onTheOtherReplica: what a token, a worker and a host hold open
// at one server ends within five seconds when another one revokes or deletes
// them, with a real daemon and its workers, and they get nothing any more.
func TestRevocation_onTheOtherReplica(t *testing.T) {
	t.Parallel()
	one := startPlane(t, postgres(t))
	two := one.replica(t)
	set, seen, h := newTally(t), &tap{}, newHost(t)
	h.env = append(h.env, "PIPEDAI_PROBE_INTERNET=off")
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	h.pair(t, asSeen(t, one, own, seen.see), set.file)
	h.start(t)
	var built struct{ ID string }
	h.says(t, &built, "build", "--label", "second", "--tasks", set.file)
	one.ready(t, "tally")
	files, err := filepath.Glob(filepath.Join(h.home, "orchestrator", "workers", "*second*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v: files of the second worker: %v", err, files)
	}
	second := tokenOf(t, files[0])
	const claims, checkIns, streams = "/workers/self/claim", "/hosts/self/checkin", "/events/stream"
	eventually(t, "both workers to wait for work, and the host for orders and events", func() bool {
		return len(seen.open("wkt_", claims)) == 2 && len(seen.open("hos_", checkIns)) == 1 && len(seen.open("hos_", streams)) == 2
	})

	took := map[string]time.Duration{}
	// A token.
	var made api.CreatedToken
	if status, body := request(t, http.MethodPost, one.url("/api/v1/tokens"), one.token(t), map[string]any{"name": "watcher", "kind": "pwk", "role": "viewer"}, &made); status/100 != 2 {
		t.Fatalf("create a token: %d %s", status, body)
	}
	changes := listen(t, one.url("/api/stream"), made.Secret)
	events := listen(t, one.url("/api/v1/workers/"+built.ID+"/events/stream"), made.Secret)
	since := time.Now()
	two.cli(t, "tokens", "revoke", made.ID)
	for what, ended := range map[string]<-chan struct{}{"the change feed": changes, "the event stream": events} {
		select {
		case <-ended:
			took["token"] = max(took["token"], time.Since(since))
		case <-time.After(patience):
			t.Fatalf("%s of a revoked token is open after %s", what, patience)
		}
	}
	if status, _ := request(t, http.MethodGet, one.url("/api/v1/session"), made.Secret, nil, nil); status != http.StatusUnauthorized {
		t.Errorf("a revoked token is answered %d", status)
	}

	// A worker's.
	waiting := seen.open(second, "")
	if len(waiting) == 0 {
		t.Fatal("the second worker waits for nothing")
	}
	since = time.Now()
	if status, body := request(t, http.MethodDelete, two.url("/api/v1/workspaces/ws_default/workers/"+built.ID), two.token(t), nil, nil); status/100 != 2 {
		t.Fatalf("delete the worker: %d %s", status, body)
	}
	took["worker"] = seen.end(t, "the claim of a deleted worker", waiting, since)

	// The host, with what is left.
	eventually(t, "the other worker to wait for work", func() bool { return len(seen.open("wkt_", claims)) > 0 && len(seen.open("hos_", checkIns)) > 0 })
	first := one.online(t).Host
	waiting = append(seen.open("wkt_", ""), seen.open("hos_", "")...)
	since = time.Now()
	two.cli(t, "hosts", "revoke", first, "--yes")
	took["host"] = seen.end(t, "what the revoked host holds open", waiting, since)
	t.Logf("at the other replica it ended after: %v", took)
	for what, d := range took {
		if d > revokedWithin {
			t.Errorf("what the %s held open ended after %s, want within %s", what, d, revokedWithin)
		}
	}

	// It is told no more, and says so itself.
	eventually(t, "the host to say that it is revoked", func() bool { return call(t, h.env, "pipedai-orchestrator", "status").code == 4 })
	eventually(t, "its workers to end", func() bool {
		return !slices.ContainsFunc(h.workers(t), func(w api.FusedWorker) bool { return w.Local != nil && w.Local.PID != nil })
	})
	id := one.queue(t, "short", nil)
	<-time.After(time.Until(since.Add(revokedWithin))) // from then on nothing may be answered
	seen.mu.Lock()
	for _, r := range seen.all {
		if r.credential != "" && r.ended.After(since.Add(revokedWithin)) && r.status/100 == 2 {
			t.Errorf("%s was answered %d %s after the revocation", r.path, r.status, r.ended.Sub(since))
		}
	}
	seen.mu.Unlock()
	if run := one.taskRun(t, id); run.Status != "pending" {
		t.Errorf("a run is %s, and nobody is there for it", run.Status)
	}
	if s := fmt.Sprint(one.known(t)); strings.Contains(s, built.ID) {
		t.Errorf("the deleted worker is listed: %s", s)
	}
}
