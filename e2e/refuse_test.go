package e2e

import (
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "github.com/mattn/go-sqlite3" // the embedded database, to make it newer
)

// What is refused, with which exit code, and that the sentence says what helps.

// refused wants a program to end with a code and one sentence that contains
// the words, and no stack trace.
func refused(t *testing.T, r result, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\n%s", r.code, code, r.both())
	}
	for _, word := range words {
		if !strings.Contains(r.err, word) {
			t.Errorf("stderr does not say %q:\n%s", word, r.err)
		}
	}
	if strings.Contains(r.err, "goroutine ") || strings.Contains(r.err, "panic:") {
		t.Errorf("a stack trace is not an explanation:\n%s", r.err)
	}
}

// busyPort holds a port for the length of the test.
func busyPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func local(port int) string { return fmt.Sprint("127.0.0.1:", port) }

// notAFolder is a path below a file, which nobody can create: not even root.
func notAFolder(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(file, "state")
}

func TestRefuse_ControlPlane(t *testing.T) {
	t.Parallel()

	t.Run("busy port", func(t *testing.T) {
		t.Parallel()
		p, port := newPlane(t, ""), busyPort(t)
		refused(t, call(t, p.env, "pipeweave", "serve", "--addr", local(port)), 6, fmt.Sprint(port))
	})
	t.Run("second instance on one state folder", func(t *testing.T) {
		t.Parallel()
		p := startPlane(t, "")
		refused(t, call(t, p.env, "pipeweave", "serve", "--addr", local(freePort(t))), 6, fmt.Sprint(p.proc.cmd.Process.Pid))
	})
	t.Run("state folder that cannot be made", func(t *testing.T) {
		t.Parallel()
		p := newPlane(t, "")
		dir := notAFolder(t)
		refused(t, call(t, append(p.env, "PIPEWEAVE_HOME="+dir), "pipeweave", "serve", "--addr", local(p.port)), 1, filepath.Dir(dir))
	})
	t.Run("database of a newer version", func(t *testing.T) {
		t.Parallel()
		p := newPlane(t, "")
		p.cli(t, "db", "init")
		makeNewer(t, filepath.Join(p.home, "pipeweave.db"))
		refused(t, call(t, p.env, "pipeweave", "serve", "--addr", local(p.port)), 1, "newer")
	})
	t.Run("an address that is not loopback", func(t *testing.T) {
		t.Parallel()
		p := newPlane(t, "")
		refused(t, call(t, p.env, "pipeweave", "serve", "--addr", fmt.Sprint("0.0.0.0:", p.port)), 2, "0.0.0.0", "127.0.0.1")
	})
	t.Run("unknown flag", func(t *testing.T) {
		t.Parallel()
		refused(t, call(t, newPlane(t, "").env, "pipeweave", "serve", "--prot", "1"), 2, "--prot")
	})
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		p := newPlane(t, "")
		refused(t, call(t, p.env, "pipeweave", "services"), 3, fmt.Sprint(p.port))
	})
	t.Run("unknown pipeline", func(t *testing.T) {
		t.Parallel()
		p := startPlane(t, "")
		refused(t, call(t, p.env, "pipeweave", "trigger", "nope"), 1, "nope")
	})
	t.Run("wrong token", func(t *testing.T) {
		t.Parallel()
		p := startPlane(t, "")
		env := append(p.env, "PIPEWEAVE_API_TOKEN=pwk_wrong")
		refused(t, call(t, env, "pipeweave", "enrollments", "approve", "BCDF-GHJK"), 4)
	})
}

// makeNewer writes a migration into the bookkeeping that no program knows yet.
func makeNewer(t *testing.T, file string) {
	t.Helper()
	db, err := sql.Open("sqlite3", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var table string
	err = db.QueryRow(`select name from sqlite_master where type = 'table'
		and name in ('pipeweave_migrations', 'engine_migrations', 'goose_db_version') limit 1`).Scan(&table)
	if err != nil {
		t.Fatalf("find the table of migrations in %s: %v", file, err)
	}
	if _, err := db.Exec("insert into " + table + " (version_id, is_applied) values (999999, 1)"); err != nil {
		t.Fatal(err)
	}
}

func TestRefuse_Host(t *testing.T) {
	t.Parallel()

	t.Run("busy port", func(t *testing.T) {
		t.Parallel()
		port := busyPort(t)
		refused(t, call(t, newHost(t).env, "pipedai-orchestrator", "start", "--port", fmt.Sprint(port)), 6, fmt.Sprint(port))
	})
	t.Run("second daemon", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		h.start(t)
		refused(t, call(t, h.env, "pipedai-orchestrator", "start", "--port", fmt.Sprint(freePort(t))), 6, fmt.Sprint(h.proc.cmd.Process.Pid))
	})
	t.Run("state folder that cannot be made", func(t *testing.T) {
		t.Parallel()
		h, dir := newHost(t), notAFolder(t)
		refused(t, call(t, append(h.env, "PIPEDAI_HOME="+dir), "pipedai-orchestrator", "start", "--port", fmt.Sprint(h.port)), 1, filepath.Dir(dir))
	})
	t.Run("an address that is not loopback", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		refused(t, call(t, h.env, "pipedai-orchestrator", "start", "--host", "0.0.0.0", "--port", fmt.Sprint(h.port)), 2, "0.0.0.0", "loopback")
	})
	t.Run("control plane that is not there", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		address := at(freePort(t), "")
		refused(t, call(t, h.env, "pipedai-orchestrator", "connect", "--api-url", address, "--no-install", "--no-open"), 3, address)
		assertNotPaired(t, h)
	})
	t.Run("tasks file that is not there", func(t *testing.T) {
		t.Parallel()
		p, h := startPlane(t, ""), newHost(t)
		r := call(t, h.env, "pipedai-orchestrator", "connect", "--api-url", p.url(""), "--tasks", "/no/such.yaml", "--no-install", "--no-open")
		if r.code == 0 || !strings.Contains(r.err, "/no/such.yaml") {
			t.Errorf("exit code %d, want a refusal that names the file\n%s", r.code, r.both())
		}
		assertNotPaired(t, h)
	})
	t.Run("status without a daemon", func(t *testing.T) {
		t.Parallel()
		refused(t, call(t, newHost(t).env, "pipedai-orchestrator", "status"), 3)
	})
}

// A worker program that is missing must not stop the daemon: it says so where
// people look, and goes on when the program is there.
func TestRefuse_MissingWorkerProgram(t *testing.T) {
	t.Parallel()
	p, h := startPlane(t, ""), newHost(t)
	h.pair(t, p, sampleTasks())
	good := h.env
	h.env = append(h.env, "PIPEDAI_WORKER_PROGRAM=/no/such/pipedai-worker")
	daemon := start(t, h.env, "pipedai-orchestrator", "start", "--port", fmt.Sprint(h.port))
	var said string
	eventually(t, "the daemon to say what is missing", func() bool {
		if !daemon.running() {
			said = daemon.err.String()
			return true
		}
		status, body := request(t, http.MethodGet, at(h.port, "/api/workers"), h.token(t), nil, nil)
		said = body
		return status == http.StatusOK && strings.Contains(body, "/no/such/pipedai-worker")
	})
	if !strings.Contains(said, "/no/such/pipedai-worker") {
		t.Errorf("nothing names the missing program:\n%s", said)
	}
	if daemon.running() {
		daemon.kill(t, syscall.SIGTERM)
		daemon.wait(t)
	}
	h.env = good
	h.start(t)
	p.ready(t, "pdf-processor")
}

// Requests a page of another site could make.
func TestRefuse_ForeignHostAndOrigin(t *testing.T) {
	t.Parallel()
	p, h := startPlane(t, ""), newHost(t)
	h.start(t)
	for name, target := range map[string]struct{ url, token string }{
		"control plane": {p.url("/api/info"), ""},
		"daemon":        {at(h.port, "/api/workers"), h.token(t)},
	} {
		for header, value := range map[string]string{"Host": "evil.test", "Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+target.token)
			if header == "Host" {
				req.Host = value
			} else {
				req.Header.Set(header, value)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("%s with %s: %s answers %d, want 403", name, header, value, resp.StatusCode)
			}
			for key := range resp.Header {
				if strings.HasPrefix(key, "Access-Control-") {
					t.Errorf("%s answers with %s", name, key)
				}
			}
		}
	}
}
