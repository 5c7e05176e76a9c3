//go:build unix

package localapi

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pipedai/api"
)

// BenchmarkEvents measures lines of a busy worker, that come some at a time, on
// their way to 50 pages: how long each takes, and what all of that costs, the
// 50 readers included, which are in this process too.
func BenchmarkEvents(b *testing.B) {
	const pages = 50
	for _, together := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("together=%d", together), func(b *testing.B) {
			f := serveTest(b)
			var mu sync.Mutex
			var took []time.Duration
			var got atomic.Int64
			var readers sync.WaitGroup
			for range pages {
				conn, _, err := websocket.Dial(b.Context(), f.wsURL("?token="+testToken.Reveal()), nil)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = conn.CloseNow() }()
				readers.Go(func() {
					for {
						_, data, err := conn.Read(b.Context())
						if err != nil {
							return
						}
						if i := bytes.Index(data, []byte(`"at `)); i >= 0 {
							at, _ := strconv.ParseInt(string(data[i+4:i+23]), 10, 64)
							mu.Lock()
							took = append(took, time.Duration(time.Now().UnixNano()-at))
							mu.Unlock()
							got.Add(1)
						}
					}
				})
			}
			for f.feed.Subscribers() < pages {
				time.Sleep(time.Millisecond)
			}
			before := processorTime(b)
			lines := 0
			for b.Loop() {
				var frames []api.LocalFrame
				for range together {
					frames = append(frames, logFrame(fmt.Sprintf("at %019d %s", time.Now().UnixNano(), strings.Repeat("x", 76))))
				}
				f.feed.Publish(frames...)
				lines += together
				time.Sleep(time.Duration(together) * time.Millisecond) // 1000 a second
			}
			for got.Load() < int64(lines*pages) {
				time.Sleep(time.Millisecond)
			}
			cpu := processorTime(b) - before
			mu.Lock()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			mu.Unlock()
			b.ReportMetric(float64(cpu.Microseconds())/float64(lines), "cpu-µs/line")
			f.feed.Close()
			readers.Wait()
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
