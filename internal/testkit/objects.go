package testkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"pipedai/internal/childproc"
)

// The storage servers of the tests. They are programs, built from the module
// proxy into .cache/bin on first use; nothing of them is linked into ours.
const (
	s3Module, s3Package, s3Version    = "versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"
	gcsModule, gcsPackage, gcsVersion = "fake-gcs-server", "github.com/fsouza/fake-gcs-server", "v1.56.1"
)

// S3Server is a running S3 server with a root account.
type S3Server struct {
	URL       string
	AccessKey string
	SecretKey string
	program   string
}

// StartS3 starts an S3 server on loopback for one test; over TLS when cert and
// key name files.
func StartS3(t testing.TB, cert, key string) S3Server {
	t.Helper()
	s := S3Server{AccessKey: "root-of-the-test", SecretKey: "secret-of-the-test-0123456789", program: storageProgram(t, s3Module, s3Package, s3Version)}
	data, users := t.TempDir(), t.TempDir()
	scheme, secure := "http", []string(nil)
	if cert != "" {
		scheme, secure = "https", []string{"--cert", cert, "--key", key}
	}
	addr := startServer(t, s.program, func(addr string) []string {
		args := append([]string{"--port", addr, "--access", s.AccessKey, "--secret", s.SecretKey, "--quiet",
			"--virtual-domain", "s3.test", "--iam-dir", users, "--iam-cache-disable", "--keep-alive"}, secure...)
		return append(args, "posix", data)
	})
	s.URL = scheme + "://" + addr
	return s
}

// Admin runs an account command of the server, such as create-user.
func (s S3Server) Admin(t testing.TB, args ...string) {
	t.Helper()
	all := append([]string{"admin", "--access", s.AccessKey, "--secret", s.SecretKey, "--endpoint-url", s.URL}, args...)
	if out, err := exec.CommandContext(t.Context(), s.program, all...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
}

// StartGCS starts a GCS server on loopback for one test and returns its URL.
// It asks nobody who they are.
func StartGCS(t testing.TB) string {
	t.Helper()
	program := storageProgram(t, gcsModule, gcsPackage, gcsVersion)
	addr := startServer(t, program, func(addr string) []string {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		return []string{"-scheme", "http", "-host", host, "-port", port, "-backend", "memory", "-log-level", "error",
			"-public-host", addr, "-external-url", "http://" + addr}
	})
	return "http://" + addr
}

// startServer starts a program that listens where args say, and waits until
// it does. It ends with the test.
func startServer(t testing.TB, program string, args func(addr string) []string) (addr string) {
	t.Helper()
	for range 3 { // somebody else may take the port in between
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr = listener.Addr().String()
		_ = listener.Close()
		if tryServer(t, program, addr, args(addr)) {
			return addr
		}
	}
	t.Fatalf("%s does not start", filepath.Base(program))
	return ""
}

func tryServer(t testing.TB, program, addr string, args []string) bool {
	t.Helper()
	log := &childproc.Output{}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), log, log
	server, err := childproc.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Kill()
		<-server.Ended()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), log)
		}
	})
	deadline := time.Now().Add(startWithin)
	for time.Now().Before(deadline) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = conn.Close()
			return true
		}
		select {
		case <-server.Ended():
			t.Logf("%s ended:\n%s", filepath.Base(program), log)
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// startWithin is how long a server may take to listen.
const startWithin = 30 * time.Second

// building keeps the goroutines of one binary apart; the lock file does so for
// processes.
var building sync.Mutex

// storageProgram returns the path of a server, which it builds when that was
// not done before.
func storageProgram(t testing.TB, name, pkg, version string) string {
	t.Helper()
	path, err := buildProgram(name, pkg, version)
	if err != nil {
		t.Fatalf("the tests of storage need %s, which is built with: go install %s@%s\n%v", name, pkg, version, err)
	}
	return path
}

func buildProgram(name, pkg, version string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".cache", "bin")
	path := filepath.Join(dir, name+"-"+version)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	building.Lock()
	defer building.Unlock()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(path + ".lock")
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := os.Stat(path); err == nil {
		return path, nil // somebody else was quicker
	}
	into := path + ".new"
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "install", "-ldflags=-s -w", pkg+"@"+version)
	cmd.Dir = dir // outside of what GOFLAGS and a workspace would change
	cmd.Env = append(os.Environ(), "GOBIN="+into, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(into, name), path); err != nil {
		return "", err
	}
	return path, os.RemoveAll(into)
}

// moduleRoot is the folder of go.mod, at or above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("there is no go.mod above the working directory")
		}
		dir = parent
	}
}

// MakeGCSBucket creates a bucket on a server of StartGCS.
func MakeGCSBucket(t testing.TB, server, name string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/storage/v1/b?project=p", strings.NewReader(`{"name":"`+name+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("make bucket %s: %s", name, resp.Status)
	}
}
