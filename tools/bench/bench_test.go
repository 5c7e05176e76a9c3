package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test binary is also the parts that the harness starts: it starts itself.
func TestMain(m *testing.M) {
	if os.Getenv(partOfBench) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// The harness measures something and writes it down. What it measures is no
// matter of a test.
func TestMeasure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "pipeweave")
	build := exec.Command("go", "build", "-o", program, "../../cmd/pipeweave")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build pipeweave: %v\n%s", err, out)
	}
	o, err := parseOptions([]string{"-quick", "-window", "300ms", "-store", "sqlite", "-only", "push,pull,enqueue",
		"-pipeweave", program, "-dir", dir, "-o", filepath.Join(dir, "bench.json")}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := measure(t.Context(), o, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"push tasks", "pull tasks", "enqueue", "POST/s, lean client"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "bench.json")); err != nil || !bytes.Contains(data, []byte(`"figure": "push"`)) {
		t.Errorf("the file lacks the figure push: %v\n%s", err, data)
	}
}

func TestOptions_refused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-only", "speed"}, {"-store", "mysql"}} {
		if _, err := parseOptions(args, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), args[1]) {
			t.Errorf("%v: got %v, want an error that names %s", args, err, args[1])
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median of %v: got %v, want %v", c.in, got, c.want)
		}
	}
	if got := quantile([]time.Duration{4, 1, 3, 2}, 0.5); got != 3 {
		t.Errorf("got %v, want 3", got)
	}
}
