package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pipedai/client"
	"pipedai/internal/childproc"
)

// replica is one `pipeweave serve`. It keeps folder and port when it is
// stopped and started again.
type replica struct {
	program string
	home    string
	port    int
	env     []string
	log     io.Writer

	process *childproc.Process // nil: it does not run
	said    *childproc.Output
}

func newReplica(o options, home, storage, database string, log io.Writer) (*replica, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	r := &replica{program: o.program, home: home, port: port, log: log}
	r.env = append(os.Environ(), "PIPEWEAVE_HOME="+home, "PIPEWEAVE_SECRET_KEY="+strings.Repeat("0123456789abcdef", 4),
		"STORAGE_BACKENDS="+fmt.Sprintf(`[{"id":"local","provider":"local","endpoint":"file://","bucket":"storage","credentials":{"basePath":%q}}]`, storage))
	if database != "" {
		r.env = append(r.env, "DATABASE_URL="+database)
	}
	return r, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (r *replica) address() string { return "127.0.0.1:" + strconv.Itoa(r.port) }

func (r *replica) client(token string) *client.Client {
	return client.New("http://"+r.address(), client.Options{Token: client.Token(token)})
}

// adminToken is what the first start left in the folder.
func (r *replica) adminToken() (string, error) {
	data, err := os.ReadFile(filepath.Join(r.home, "admin.token"))
	return strings.TrimSpace(string(data)), err
}

// start runs the program and waits until it answers.
func (r *replica) start(ctx context.Context, args ...string) error {
	cmd := exec.Command(r.program, append([]string{"serve", "--addr", r.address(), "--log-level", "minimal"}, args...)...)
	cmd.Env = r.env
	r.said = &childproc.Output{}
	cmd.Stderr = io.MultiWriter(r.log, r.said)
	process, err := childproc.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("start %s: %w", r.program, err)
	}
	r.process = process
	deadline := time.Now().Add(30 * time.Second)
	for {
		resp, err := http.Get("http://" + r.address() + "/health")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-r.process.Ended():
			return fmt.Errorf("%s serve ended:\n%s", r.program, r.said)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("pipeweave serve does not become ready")
		}
	}
}

// stop ends the program as an operator does.
func (r *replica) stop() { r.end(syscall.SIGTERM) }

// kill ends it as a crash does.
func (r *replica) kill() { r.end(syscall.SIGKILL) }

func (r *replica) end(how syscall.Signal) {
	if r.process == nil {
		return
	}
	_ = r.process.Signal(how)
	r.process.Await(20 * time.Second)
	r.process = nil
}
