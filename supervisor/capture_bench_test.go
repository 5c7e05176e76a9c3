//go:build unix

package supervisor

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// benchLines is what the measured worker writes: lines of 100 bytes.
const benchLines = 2_000_000

// floodLines is the worker of the benchmark: numbered lines of 100 bytes, in
// writes of the given size, or each in one of its own when that is 0.
func floodLines(n, buffer int) int {
	out := bufio.NewWriterSize(os.Stdout, max(buffer, 100))
	line := append(bytes.Repeat([]byte{'x'}, 99), '\n')
	for i := range n {
		copy(line, fmt.Appendf(line[:0:8], "%08d", i))
		if _, err := out.Write(line); err != nil {
			return 1
		}
	}
	if out.Flush() != nil {
		return 1
	}
	return 0
}

// BenchmarkCapture measures what taking 2,000,000 lines from a worker costs,
// against a bare copy of the same lines from a pipe to a file.
func BenchmarkCapture(b *testing.B) {
	for _, buffer := range []int{64 << 10, 0} {
		role := fmt.Sprintf("lines %d %d", benchLines, buffer)
		b.Run(fmt.Sprintf("write=%d", buffer), func(b *testing.B) {
			for b.Loop() {
				rawTime, rawCPU := rawCopy(b, role)
				took, cpu := captured(b, role)
				b.ReportMetric(rawTime.Seconds(), "raw-s")
				b.ReportMetric(rawCPU.Seconds(), "raw-cpu-s")
				b.ReportMetric(took.Seconds(), "captured-s")
				b.ReportMetric(cpu.Seconds(), "captured-cpu-s")
				b.ReportMetric(rawTime.Seconds()/took.Seconds(), "of-raw-speed")
			}
		})
	}
}

func rawCopy(b *testing.B, role string) (time.Duration, time.Duration) {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	cmd := self(role)
	cmd.Stdout = w
	begun, cpu := time.Now(), cpuTime(b)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	w.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, make([]byte, 64<<10))
	if err != nil || n != benchLines*100 {
		b.Fatalf("%d bytes, %v", n, err)
	}
	took, used := time.Since(begun), cpuTime(b)-cpu
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return took, used
}

func captured(b *testing.B, role string) (time.Duration, time.Duration) {
	b.Helper()
	r := newRig(b, b.TempDir(), func(o *Options) { o.LogBackups = 100 })
	begun, cpu := time.Now(), cpuTime(b)
	s := spec("w1", role)
	s.Policy.Backoff = []time.Duration{time.Hour}
	r.want(Want{Spec: s, Running: true})
	r.until("w1", "ended", func(s Status) bool { return s.LastExit != nil })
	took, used := time.Since(begun), cpuTime(b)-cpu
	names, _ := filepath.Glob(filepath.Join(r.dir, "logs", "*"))
	lines := 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		lines += strings.Count(string(data), " out ")
	}
	if lines < benchLines {
		b.Fatalf("%d lines of %d", lines, benchLines)
	}
	return took, used
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
