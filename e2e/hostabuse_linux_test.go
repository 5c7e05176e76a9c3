package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"
)

// What others do to the port of a daemon does not keep its owner waiting:
// requests that never end, connections that say nothing, bodies without end.
func TestHost_L22_slowAndHugeRequests(t *testing.T) {
	t.Parallel()
	h := newFaultHost(t, map[string]string{"steady": "steady"})
	h.boot(0)
	h.configure()
	h.settle(h.nothing)
	address := fmt.Sprintf("127.0.0.1:%d", h.port)
	for i := range 350 { // 300 that say nothing, 50 that never end their headers
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i >= 300 {
			if _, err := fmt.Fprintf(conn, "GET /api/workers HTTP/1.1\r\nHost: %s\r\nX-Slow: ", address); err != nil {
				t.Fatal(err)
			}
		}
	}
	post := func(what string, body io.Reader, encoding string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, at(h.port, "/api/workers/steady"), body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+h.key)
		req.Header.Set("Content-Type", "application/json")
		if encoding != "" {
			req.Header.Set("Content-Encoding", encoding)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return // it hung up on what it does not want to read
		}
		defer resp.Body.Close()
		if resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("%s is answered %d", what, resp.StatusCode)
		}
	}
	post("a gigabyte", io.LimitReader(spaces{}, 1<<30), "")
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	if _, err := io.Copy(packer, io.LimitReader(spaces{}, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := packer.Close(); err != nil {
		t.Fatal(err)
	}
	post("a compressed body", &bomb, "gzip")

	// Whoever is in the way stays there: a machine that is busy with something
	// else is given time to show that it is not the daemon.
	eventually(t, "the owner to be answered at once while all that is held", func() bool {
		var took []time.Duration
		for range 21 {
			began := time.Now()
			if !h.ready() {
				return false
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2] <= 200*time.Millisecond
	})
	h.finish()
}

// spaces never ends.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// No answer makes a browser keep a credential that it would send to whatever
// listens on another port of this machine.
func TestHost_L19_noCookies(t *testing.T) {
	t.Parallel()
	h := newFaultHost(t, map[string]string{"steady": "steady"})
	h.boot(0)
	for _, path := range []string{"/", "/?token=" + h.key, "/api/self", "/api/workers", "/healthz", "/metrics", "/nothing"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at(h.port, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+h.key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Values("Set-Cookie"); len(got) > 0 {
			t.Errorf("GET %s sets cookies %q", path, got)
		}
	}
	h.finish()
}

// A machine that stands still for a while, daemon and workers alike, goes on
// with the processes it had. It stands still for two seconds here, not for a
// night.
func TestHost_P11_everythingStoodStill(t *testing.T) {
	t.Parallel()
	h := newFaultHost(t, map[string]string{"steady": "steady", "flood": "flood", "parent": "parent"})
	h.boot(0)
	h.configure()
	h.settle(h.nothing)
	before := h.processes()
	all := []int{h.proc.cmd.Process.Pid}
	for _, p := range before {
		all = append(all, p.pid)
	}
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	<-time.After(2 * time.Second)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	h.settle(h.nothing)
	if now := h.processes(); !slices.Equal(now, before) {
		t.Errorf("the processes were %v and are %v", before, now)
	}
	for _, w := range h.workers() {
		if w.Local.TotalRestarts > 0 {
			t.Errorf("%s was restarted", w.ID)
		}
	}
	h.finish()
}
