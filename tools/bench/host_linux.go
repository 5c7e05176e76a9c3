package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"pipedai/internal/childproc"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// hostBed is a host of its own: a home in a scratch folder with a manifest of
// tiny workers, no control plane, and the daemon as it ships.
type hostBed struct {
	o       options
	home    hostdir.Dir
	tiny    string
	args    []string // more for the daemon
	hails   *hails
	log     io.Writer
	began   int64 // when the daemon was started, as monotonic() has it
	process *childproc.Process
	said    *childproc.Output
	url     string
	token   string
}

// nowhere is the control plane of the workers: nobody is there.
const nowhere = "http://127.0.0.1:9"

// newHost makes a home whose manifest wants n workers running, all with the
// same settings. The daemon is not started yet.
func (g *ground) newHost(ctx context.Context, n int, settings manifest.Settings) (_ *hostBed, err error) {
	tiny, err := g.tinyWorker(ctx)
	if err != nil {
		return nil, err
	}
	g.made++
	home, err := hostdir.At(filepath.Join(g.dir, fmt.Sprint("host", g.made)))
	if err != nil {
		return nil, err
	}
	b := &hostBed{o: g.o, home: home, tiny: tiny, log: g.log}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if err := home.Make(); err != nil {
		return nil, err
	}
	if b.hails, err = listenHails(filepath.Join(home.Home(), "hails")); err != nil {
		return nil, err
	}
	entries, err := manifest.Open(ctx, home.Manifest())
	if err != nil {
		return nil, err
	}
	for i := range n {
		err := entries.Add(ctx, manifest.Entry{
			ID: workerID(i), Label: workerID(i), APIURL: nowhere, ConfigPath: home.WorkerConfig(workerID(i)),
			Mode: manifest.ModeWorkspace, Running: true, Enabled: true, Settings: settings,
		})
		if err != nil {
			_ = entries.Close()
			return nil, err
		}
	}
	return b, entries.Close()
}

func workerID(i int) string { return fmt.Sprintf("w%04d", i) }

// start starts the daemon.
func (b *hostBed) start() (err error) {
	args := []string{"start", "--port", "0", "--probe-internet", "off", "--worker-program", b.tiny}
	cmd := exec.Command(b.o.daemon, append(args, b.args...)...)
	cmd.Env = append(os.Environ(), "PIPEDAI_HOME="+b.home.Home(), b.hails.env())
	b.said = &childproc.Output{}
	cmd.Stdout, cmd.Stderr = b.log, io.MultiWriter(b.log, b.said)
	b.began = monotonic()
	b.process, err = childproc.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("start %s: %w", b.o.daemon, err)
	}
	return nil
}

// up starts the daemon and waits for the hails of its n workers.
func (b *hostBed) up(ctx context.Context, n int) ([]hail, error) {
	if err := b.start(); err != nil {
		return nil, err
	}
	got, err := b.hails.wait(ctx, n, hailWithin)
	if err != nil {
		return got, fmt.Errorf("workers of the daemon: %w\n%s", err, b.said)
	}
	return got, nil
}

// connect finds the local API, and waits until it shows n running workers.
func (b *hostBed) connect(ctx context.Context, n int) error {
	var info struct{ Port int }
	var credentials struct{ LocalToken string }
	if err := readJSON(b.home.DaemonInfo(), &info); err != nil {
		return err
	}
	if err := readJSON(b.home.Credentials(), &credentials); err != nil {
		return err
	}
	b.url, b.token = fmt.Sprintf("http://127.0.0.1:%d", info.Port), credentials.LocalToken
	deadline := time.Now().Add(hailWithin)
	for {
		body, err := b.get(ctx, http.DefaultClient, "/api/workers")
		if err == nil && strings.Count(string(body), `"state":"running"`) == n {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the local API does not show %d running workers: %w: %.200s", n, err, body)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func readJSON(path string, to any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, to)
}

// get asks the local API.
func (b *hostBed) get(ctx context.Context, client *http.Client, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.200s", path, resp.Status, body)
	}
	return body, err
}

// pid is the daemon's.
func (b *hostBed) pid() int { return b.process.Pid }

// close ends the daemon and removes the home. The workers end with the FIFO
// they said hello to.
func (b *hostBed) close() {
	if b.process != nil {
		_ = b.process.Kill() // it may have ended
		b.process.Await(10 * time.Second)
	}
	if b.hails != nil {
		b.hails.close()
	}
	_ = os.RemoveAll(b.home.Home())
}
