//go:build unix

package supervisor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tinySpec is the cheapest worker there is: what is measured is us.
func tinySpec(id string) Spec {
	return Spec{ID: id, Program: "/bin/sleep", Args: []string{"1000"}, Policy: Policy{Backoff: []time.Duration{0}, Budget: -1}}
}

func tinyFleet(n int) (want []Want) {
	for i := range n {
		want = append(want, Want{Spec: tinySpec(fmt.Sprintf("w%03d", i)), Running: true})
	}
	return want
}

// fleetRig is a rig that can wait for a whole fleet.
func fleetRig(t testing.TB) (*rig, func(n int)) {
	var mu sync.Mutex
	up := map[string]bool{}
	more := make(chan struct{}, 1)
	var r *rig
	r = newRig(t, t.TempDir(), func(o *Options) {
		o.OnChange = func(id string) {
			st, _ := r.Status(id)
			mu.Lock()
			up[id] = st.State == Running
			mu.Unlock()
			select {
			case more <- struct{}{}:
			default:
			}
		}
	})
	return r, func(n int) {
		for {
			mu.Lock()
			have := 0
			for _, is := range up {
				if is {
					have++
				}
			}
			mu.Unlock()
			if have == n {
				return
			}
			<-more
		}
	}
}

func BenchmarkFleet(b *testing.B) {
	for _, n := range []int{1, 100, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var started, stopped, bare, bareStop time.Duration
			var cpuStart, cpuStop, cpuBare time.Duration
			for b.Loop() {
				t0, c0 := time.Now(), cpu()
				pids := make([]int, n)
				for i := range pids {
					p, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
					if err != nil {
						b.Fatal(err)
					}
					pids[i] = p.Pid
				}
				bare += time.Since(t0)
				cpuBare += cpu() - c0
				t0 = time.Now()
				for _, p := range pids {
					_ = unix.Kill(p, unix.SIGTERM)
				}
				for _, p := range pids {
					_, _ = reap(p)
				}
				bareStop += time.Since(t0)

				r, all := fleetRig(b)
				t0, c0 = time.Now(), cpu()
				r.want(tinyFleet(n)...)
				all(n)
				started += time.Since(t0)
				cpuStart += cpu() - c0
				if n > 1 {
					b.ReportMetric(float64(pss(b))/1e6, "PSS-MB")
				}
				t0, c0 = time.Now(), cpu()
				if err := r.StopAll(context.Background()); err != nil {
					b.Fatal(err)
				}
				stopped += time.Since(t0)
				cpuStop += cpu() - c0
				r.end()
			}
			ms := func(d time.Duration, name string) {
				b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), name)
			}
			ms(started, "start-ms")
			ms(bare, "bare-start-ms")
			ms(stopped, "stop-ms")
			ms(bareStop, "bare-stop-ms")
			ms(cpuStart, "start-cpu-ms")
			ms(cpuBare, "bare-cpu-ms")
			ms(cpuStop, "stop-cpu-ms")
		})
	}
}

func BenchmarkRespawn(b *testing.B) {
	r, all := fleetRig(b)
	r.want(Want{Spec: tinySpec("w000"), Running: true})
	all(1)
	var took []time.Duration
	for b.Loop() {
		st, _ := r.Status("w000")
		t0 := time.Now()
		_ = unix.Kill(st.PID, unix.SIGKILL)
		for {
			if now, _ := r.Status("w000"); now.State == Running && now.PID != st.PID {
				break
			}
			time.Sleep(50 * time.Microsecond)
		}
		took = append(took, time.Since(t0))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func pss(t testing.TB) int {
	data, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	t.Fatal("no Pss")
	return 0
}
