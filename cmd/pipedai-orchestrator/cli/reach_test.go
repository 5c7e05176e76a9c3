package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/daemon"
	"pipedai/internal/hostdir"
)

// A killed daemon leaves daemon.json behind, and the daemon of another home may
// have its port by now: it must not be taken for ours, nor get our token.
func TestReach_anotherHomesDaemonOnOurPort(t *testing.T) {
	t.Parallel()
	other, ours := newTerminal(t), newTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- other.runTo(ctx, out, errs, "start", "--port", "0") }()
	until(t, func() bool { return strings.Contains(out.String(), "not connected yet") })

	write(t, filepath.Join(ours.home, "orchestrator", "credentials.json"), `{"version":1,"localToken":"oct_ours"}`)
	dir, err := hostdir.At(other.home)
	if err != nil {
		t.Fatal(err)
	}
	info, err := daemon.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	stale := fmt.Sprintf(`{"pid":%d,"port":%d,"version":"1.0.0","startedAt":"2026-01-01T00:00:00.000Z"}`, info.PID+1, info.Port)
	write(t, filepath.Join(ours.home, "orchestrator", "daemon.json"), stale)
	for _, args := range [][]string{{"workers"}, {"dashboard"}, {"logs", "w1"}} {
		r := ours.run(t, args...)
		r.want(t, 3, "start it: pipedai-orchestrator start")
		if strings.Contains(r.out, "oct_") {
			t.Errorf("%q printed a link to another home's daemon", args)
		}
	}
	ours.run(t, "status").want(t, 3, "Daemon   stopped", "may still be running")

	// The daemon itself: what a program reads is JSON and nothing else.
	for _, args := range [][]string{{"status", "--json"}, {"workers", "--json"}, {"dashboard", "--json"}, {"version", "--json"}} {
		r := other.run(t, args...)
		var answer map[string]any
		if err := json.Unmarshal([]byte(r.out), &answer); err != nil || r.err != "" {
			t.Errorf("%q: %v\nout: %s\nerr: %s", args, err, r.out, r.err)
		}
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("start ended with %d: %s", code, errs.String())
	}
}

// What is in the way is named, with what helps, and stays as it is.
func TestHome_inTheWay(t *testing.T) {
	t.Parallel()
	const garbage = "}{ this is not what it should be"
	tests := map[string]struct {
		file  string // below the home; empty is the home itself
		args  []string
		code  int
		texts []string
	}{
		"home is a file, status":    {"", []string{"status"}, 3, []string{"Daemon   error", "not a directory", "--home"}},
		"home is a file, start":     {"", []string{"start", "--port", "0"}, 1, []string{"not a directory", "--home"}},
		"home is a file, connect":   {"", []string{"connect", "--api-url", "http://127.0.0.1:1"}, 1, []string{"not a directory", "--home"}},
		"credentials, status":       {"orchestrator/credentials.json", []string{"status"}, 3, []string{"Daemon   error", "credentials.json is not valid JSON", "move it away"}},
		"credentials, start":        {"orchestrator/credentials.json", []string{"start", "--port", "0"}, 1, []string{"credentials.json is not valid JSON"}},
		"credentials, connect":      {"orchestrator/credentials.json", []string{"connect", "--api-url", "http://127.0.0.1:1"}, 1, []string{"not valid JSON"}},
		"manifest, start":           {"orchestrator/manifest.db", []string{"start", "--port", "0"}, 1, []string{"damaged", "connect this host again: pipedai-orchestrator"}},
		"manifest, connect":         {"orchestrator/manifest.db", []string{"connect", "--api-url", "http://127.0.0.1:1"}, 1, []string{"damaged", "move it away"}},
		"manifest of before, start": {"orchestrator/manifest.json", []string{"start", "--port", "0"}, 1, []string{"manifest.json", "repair it or move it away"}},
		"daemon.json, workers":      {"orchestrator/daemon.json", []string{"workers"}, 3, []string{"daemon.json is damaged", "then start it"}},
		"daemon.json, status":       {"orchestrator/daemon.json", []string{"status"}, 3, []string{"daemon.json is damaged", "then start it"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tm := newTerminal(t)
			path := filepath.Join(tm.home, tt.file)
			write(t, path, garbage)
			r := tm.run(t, tt.args...)
			r.want(t, tt.code, tt.texts...)
			if strings.Contains(r.out, "Listening") {
				t.Errorf("a daemon that cannot run was announced: %s", r.out)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != garbage {
				t.Errorf("%s was changed: %q, %v", tt.file, data, err)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
