package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"pipedai/api"
)

// asOther lets a host of this machine join under another name: a control plane
// takes hosts of one hostname for one host. What it reaches is a proxy that says
// the other name when the host joins.
func asOther(t *testing.T, p *plane, name string) *plane {
	t.Helper()
	return asSeen(t, p, name, func(next http.Handler) http.Handler { return next })
}

// asSeen is asOther, and see is around everything that passes.
func asSeen(t *testing.T, p *plane, name string, see func(http.Handler) http.Handler) *plane {
	t.Helper()
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(p.url(""))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewUnstartedServer(nil)
	address := "http://" + proxy.Listener.Addr().String()
	joining := func(path string) bool {
		return strings.HasPrefix(path, "/api/v1/enrollments/") || path == "/api/v1/workers/register"
	}
	replaced := func(body io.ReadCloser, from, to string) (io.ReadCloser, int64) {
		data, _ := io.ReadAll(body)
		_ = body.Close()
		data = bytes.ReplaceAll(data, []byte(from), []byte(to))
		return io.NopCloser(bytes.NewReader(data)), int64(len(data))
	}
	proxy.Config.Handler = see(&httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = target.Host
			if joining(r.In.URL.Path) && r.Out.Body != nil {
				r.Out.Body, r.Out.ContentLength = replaced(r.Out.Body, `"`+own+`"`, `"`+name+`"`)
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			if joining(resp.Request.URL.Path) {
				resp.Body, resp.ContentLength = replaced(resp.Body, target.String(), address)
				resp.Header.Set("Content-Length", fmt.Sprint(resp.ContentLength))
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	proxy.Start()
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	other := *p
	if _, err := fmt.Sscan(at.Port(), &other.port); err != nil {
		t.Fatal(err)
	}
	return &other
}

// remoteVersions is what the control plane heard of the workers' versions.
func (p *plane) remoteVersions(t *testing.T) string {
	t.Helper()
	var session api.Session
	get(t, p.url("/api/v1/session"), p.token(t), &session)
	var list api.RemoteWorkers
	get(t, p.url("/api/v1/workspaces/"+session.Workspace+"/workers"), p.token(t), &list)
	var out []string
	for _, w := range list.Items {
		version := "-"
		if w.Version != nil {
			version = *w.Version
		}
		out = append(out, w.Host+" "+version)
	}
	return strings.Join(out, ", ")
}

var rolloutID = regexp.MustCompile(`roll_[a-z0-9]+`)

// Two real hosts are brought to a version, stay there when the next one is bad,
// and go back, while the control plane is killed and comes back.
func TestRollout_realHosts(t *testing.T) {
	t.Parallel()
	good, bad := versionedWorkers(t)
	p := startPlane(t, "")
	key := filepath.Join(t.TempDir(), "release.key")
	p.cli(t, "releases", "keygen", key)
	p.cli(t, "releases", "keys", "set", "--key", key)
	for version, file := range map[string]string{"7.0.0": good[0], "7.9.0": bad} {
		p.cli(t, "releases", "publish", "--program", "pipedai-worker", "--version", version, "--artifact", "linux/"+runtime.GOARCH+"="+file, "--key", key)
	}
	var hosts []*host
	for _, name := range []string{"box-1", "box-2"} {
		h := newHost(t)
		h.pair(t, asOther(t, p, name))
		h.start(t)
		h.pid(t)
		hosts = append(hosts, h)
	}
	eventually(t, "both hosts to check in", func() bool {
		plan := call(t, p.env, "pipeweave", "rollouts", "start", "--to", "7.0.0", "--dry-run")
		return strings.Contains(plan.out, "would go to 2 hosts")
	})
	before := p.remoteVersions(t)

	up := call(t, p.env, "pipeweave", "rollouts", "start", "--to", "7.0.0", "--yes", "--watch")
	if up.code != 0 || !strings.Contains(up.out, "2 of 2 done") {
		t.Fatalf("the rollout ended with %d:\n%s", up.code, up.both())
	}
	first := rolloutID.FindString(up.out)
	eventually(t, "both workers to report 7.0.0", func() bool { return p.remoteVersions(t) == "box-1 7.0.0, box-2 7.0.0" })

	// A bad version stops at the canary, which is as it was.
	down := call(t, p.env, "pipeweave", "rollouts", "start", "--to", "7.9.0", "--yes", "--watch")
	if down.code != 1 || !strings.Contains(down.both(), "1 host failed, 0 allowed: box-1") || !strings.Contains(down.out, "failed (canary)") {
		t.Errorf("the bad one ended with %d:\n%s", down.code, down.both())
	}
	p.cli(t, "rollouts", "abort", rolloutID.FindString(down.out))
	eventually(t, "both workers to run 7.0.0", func() bool { return p.remoteVersions(t) == "box-1 7.0.0, box-2 7.0.0" })
	for _, h := range hosts {
		if w := h.worker(t); w.Local == nil || w.Local.State != "running" {
			t.Errorf("a worker is %+v", w.Local)
		}
	}

	// And back, with the control plane killed in the middle.
	back := p.cli(t, "rollouts", "rollback", first, "--yes", "--canary", "0", "--max-unavailable", "2")
	p.proc.kill(t, syscall.SIGKILL)
	p.proc.wait(t)
	p.start(t)
	ended := call(t, p.env, "pipeweave", "rollouts", "status", rolloutID.FindString(back.out), "--watch")
	if ended.code != 0 {
		t.Fatalf("the rollback ended with %d:\n%s", ended.code, ended.both())
	}
	eventually(t, "both workers to report what they did before", func() bool { return p.remoteVersions(t) == before })
	for _, h := range hosts {
		h.proc.stop(t)
	}
}

// A rollout of the daemon itself: the host becomes the new one and goes back,
// and its worker does not notice.
func TestRollout_daemon(t *testing.T) {
	t.Parallel()
	p := startPlane(t, "")
	key := filepath.Join(t.TempDir(), "release.key")
	p.cli(t, "releases", "keygen", key)
	p.cli(t, "releases", "keys", "set", "--key", key)
	p.cli(t, "releases", "publish", "--program", "pipedai-orchestrator", "--version", newVersion,
		"--artifact", "linux/"+runtime.GOARCH+"="+daemonBuild(t, newVersion, ""), "--key", key)
	h := newHost(t)
	h.pair(t, p)
	h.start(t)
	worker := h.pid(t)
	version := func() string {
		var hosts api.Hosts
		get(t, p.url("/api/v1/hosts"), p.token(t), &hosts)
		return hosts.Items[0].Version
	}
	eventually(t, "the host to check in", func() bool { return version() == oldVersion })
	up := call(t, p.env, "pipeweave", "rollouts", "start", "--program", "pipedai-orchestrator", "--to", newVersion, "--yes", "--watch")
	if up.code != 0 {
		t.Fatalf("the rollout ended with %d:\n%s", up.code, up.both())
	}
	eventually(t, "the host to be the new version", func() bool { return version() == newVersion })
	back := call(t, p.env, "pipeweave", "rollouts", "rollback", rolloutID.FindString(up.out), "--yes", "--watch")
	if back.code != 0 {
		t.Fatalf("the rollback ended with %d:\n%s", back.code, back.both())
	}
	eventually(t, "the host to be what it was", func() bool { return version() == oldVersion })
	if now := h.pid(t); now != worker {
		t.Errorf("the worker has another process: %d, then %d", worker, now)
	}
	h.proc.stop(t)
}
