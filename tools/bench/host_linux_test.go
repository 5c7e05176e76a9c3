package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The same of the daemon: that its scenarios work with the program as it is.
func TestMeasure_host(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "pipedai-orchestrator")
	build := exec.Command("go", "build", "-o", program, "../../cmd/pipedai-orchestrator")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build pipedai-orchestrator: %v\n%s", err, out)
	}
	o, err := parseOptions([]string{"-quick", "-window", "300ms", "-only", "host-lines,host-feed",
		"-daemon", program, "-dir", dir, "-o", filepath.Join(dir, "bench.json")}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := measure(t.Context(), o, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lines lost", "raw copy from pipe to file", "50 WebSocket clients"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

// A line that is missing, cut or doubled is told from one that is there.
func TestCountLines(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "w.log")
	line := func(n string) string {
		return "2026-01-02T03:04:05.678Z out " + n + " " + strings.Repeat("x", lineSize-1-counter-1) + "\n"
	}
	for name, text := range map[string]string{
		log + ".1": line("000000000") + line("000000001"),
		log:        line("000000001") + line("000000003")[:60] + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lost, doubled, err := countLines(log, 4)
	if err != nil || lost != 2 || doubled != 1 {
		t.Errorf("got %d lost, %d doubled, %v; want 2 lost, 1 doubled", lost, doubled, err)
	}
}
