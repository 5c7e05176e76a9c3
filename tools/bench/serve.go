package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pipedai/client"
)

// replica is one `pipeweave serve`. It keeps folder and port when it is
// stopped and started again.
type replica struct {
	program string
	home    string
	port    int
	env     []string
	log     io.Writer

	cmd   *exec.Cmd
	ended chan struct{}
	said  *bytes.Buffer
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
	r.cmd = exec.Command(r.program, append([]string{"serve", "--addr", r.address(), "--log-level", "minimal"}, args...)...)
	r.cmd.Env = r.env
	r.said = &bytes.Buffer{}
	r.cmd.Stderr = io.MultiWriter(r.log, r.said)
	r.cmd.SysProcAttr = dieWithUs()
	if err := r.launch(); err != nil {
		return fmt.Errorf("start %s: %w", r.program, err)
	}
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
		case <-r.ended:
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

// launch starts the program from a thread that stays until it ended: the
// kernel sends the parent-death signal when that thread ends.
func (r *replica) launch() error {
	cmd, ended := r.cmd, make(chan struct{})
	started := make(chan error, 1)
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	r.ended = ended
	err := <-started
	if err != nil {
		r.cmd = nil
	}
	return err
}

// stop ends the program as an operator does.
func (r *replica) stop() { r.end(syscall.SIGTERM) }

// kill ends it as a crash does.
func (r *replica) kill() { r.end(syscall.SIGKILL) }

func (r *replica) end(how syscall.Signal) {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(how)
	select {
	case <-r.ended:
	case <-time.After(20 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
	r.cmd = nil
}
