package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// The versions of the tests are links to the test binary, in a folder whose
// name says which version it is and how it behaves: "1.2.0-crashes".

// behaviour is what a version does. It is the pre-release of its version.
type behaviour string

const (
	works      behaviour = ""
	crashes    behaviour = "crashes"    // soon after it has started
	crashesNow behaviour = "dies"       // at once
	hangs      behaviour = "hangs"      // and does not even end when asked to
	lies       behaviour = "lies"       // reports another version
	cutOffRun  behaviour = "offline"    // does not reach the control plane
	mute       behaviour = "mute"       // does not say its version
	pretends   behaviour = "pretends"   // says another version when asked
	late       behaviour = "crashlater" // after its first heartbeat
)

// ownVersion is what this process is, by the name it was run as.
func ownVersion() (version string, is behaviour) {
	version = filepath.Base(filepath.Dir(os.Args[0]))
	if filepath.Base(filepath.Dir(filepath.Dir(os.Args[0]))) != api.ProgramWorker {
		return "1.0.0", works // the default program
	}
	_, pre, _ := strings.Cut(version, "-")
	return version, behaviour(pre)
}

// versionMain answers "version".
func versionMain() int {
	version, is := ownVersion()
	switch is {
	case mute:
		fmt.Fprintln(os.Stderr, "no such library")
		return 1
	case pretends:
		version = "0.0.7"
	}
	fmt.Println(version)
	return 0
}

// versionedMain is a worker that behaves as its version does, after it has told
// its control plane that it is there.
func versionedMain(version string, is behaviour) {
	switch is {
	case crashesNow:
		fmt.Println("cannot open the database")
		os.Exit(3)
	case crashes:
		fmt.Println("out of memory")
		time.Sleep(30 * time.Millisecond)
		os.Exit(3)
	case hangs:
		signal.Ignore(syscall.SIGTERM)
		select {}
	case cutOffRun:
		return
	case lies:
		version = "0.0.7"
	}
	file, err := enroll.ReadWorkerFile(os.Args[len(os.Args)-1])
	if err != nil || !strings.HasPrefix(file.APIURL, "http://127.0.0.1") {
		return
	}
	go func() {
		for {
			body, _ := json.Marshal(map[string]any{"version": version, "pid": os.Getpid()})
			resp, err := http.Post(file.APIURL+"/test/beat/"+file.WorkerID, "application/json", bytes.NewReader(body))
			if err == nil {
				_ = resp.Body.Close()
			}
			if is == late { // at once: on a busy machine the next beat may come when all is proved
				os.Exit(4)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
}

// beat takes a worker's heartbeat.
func (p *plane) beat(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Version string
		PID     int
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	p.mu.Lock()
	deaf := p.deaf
	p.mu.Unlock()
	if deaf || !p.hears(r.PathValue("id"), body.Version) {
		http.Error(w, "no", http.StatusNotFound)
	}
}

// hears notes a heartbeat, if it has the worker.
func (p *plane) hears(id, version string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	worker := p.workers[id]
	if worker == nil {
		return false
	}
	p.beats++
	worker.Version, worker.LastSeenAt = &version, api.At(time.Unix(0, 0).Add(time.Duration(p.beats)*time.Second)) // a clock of its own
	return true
}

// deafen has it take no heartbeats.
func (p *plane) deafen(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

func (p *plane) offline(off bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = off
}

// fakeVersions keeps versions of the test binary under a folder.
type fakeVersions struct {
	dir    string
	mu     sync.Mutex
	latest string
	pruned []string
	fetch1 func(ctx context.Context) error // in place of a download
}

func newFakeVersions(dir hostdir.Dir) *fakeVersions {
	return &fakeVersions{dir: filepath.Join(dir.Versions(), api.ProgramWorker), latest: "2.0.0"}
}

func (f *fakeVersions) find(_ context.Context, want wantedVersion) (foundVersion, error) {
	version := want.version
	if version == "" {
		version = f.latest
	}
	if want.local != "" {
		version = filepath.Base(want.local)
	}
	if version == "404.0.0" {
		return foundVersion{}, &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "there is no such release"}
	}
	_, err := os.Stat(filepath.Join(f.dir, version, api.ProgramWorker))
	return foundVersion{version: version, source: "test", notes: "notes of " + version, installed: err == nil, found: version}, nil
}

func (f *fakeVersions) fetch(ctx context.Context, found foundVersion, progress func(done, total int64)) (manifest.Installed, error) {
	if f.fetch1 != nil {
		if err := f.fetch1(ctx); err != nil {
			return manifest.Installed{}, err
		}
	}
	progress(1, 2)
	version := found.found.(string)
	out := manifest.Installed{Program: api.ProgramWorker, Version: version, Reports: version, Path: filepath.Join(f.dir, version, api.ProgramWorker)}
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	if err := os.MkdirAll(filepath.Dir(out.Path), 0o700); err != nil {
		return out, err
	}
	if err := os.Symlink(self, out.Path); err != nil && !errors.Is(err, os.ErrExist) {
		return out, err
	}
	return out, nil
}

func (f *fakeVersions) program(_ context.Context, version string) (string, error) {
	path := filepath.Join(f.dir, version, api.ProgramWorker)
	_, err := os.Stat(path)
	return path, err
}

func (f *fakeVersions) prune(_ context.Context, keep []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pruned = keep
	return nil
}

// upgradeOptions are those of a daemon that upgrades quickly.
func upgradeOptions(dir hostdir.Dir) Options {
	o := testOptions(dir)
	o.versions = newFakeVersions(dir)
	o.WorkerArgs = nil
	o.VerifyLimit, o.verifyStay, o.verifyPace = 15*time.Second, 250*time.Millisecond, 20*time.Millisecond
	return o
}

// runningVersion waits for a worker to be heard with a version.
func (p *plane) runningVersion(t *testing.T, id, version string) {
	t.Helper()
	until(t, id+" reports "+version, func() bool {
		w := p.remote(id)
		return w != nil && w.Version != nil && *w.Version == version
	})
}
