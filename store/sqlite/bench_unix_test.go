//go:build unix

package sqlite

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkHistory measures what lives cost in CPU time before and after
// 2,000,000 finished ones; the figure to read is the ratio.
func BenchmarkHistory(b *testing.B) {
	s := bench(b)
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	lives := func() float64 {
		began := spent()
		n := 0
		for range 200 {
			if _, err := s.EnqueueTasks(b.Context(), batch(100, "a")); err != nil {
				b.Fatal(err)
			}
			n += work(b, s, 100)
		}
		return (spent() - began).Seconds() / float64(n)
	}
	for b.Loop() {
		lives()
		before := min(lives(), lives(), lives())
		for at := 0; at < 2_000_000; at += 20_000 {
			if err := s.write(b.Context(), "fill", func(t *tx) error {
				return t.run(`with recursive i (n) as (select ?1 union all select n + 1 from i where n < ?1 + 19999)
					insert into task_runs (id, task_id, status, max_retries, code_hash, code_version, input_path, output_path, completed_at)
					select 'trun_0' || printf('%016d', n), 'a', 'completed', 3, 'h', 1, 'runs/trun_' || n || '/input.json',
						'runs/trun_' || n || '/output.json', 1 from i`, at)
			}); err != nil {
				b.Fatal(err)
			}
		}
		lives()
		after := min(lives(), lives(), lives())
		b.ReportMetric(after/before, "after/before")
		b.ReportMetric(after*1e6, "µs/life")
	}
}
