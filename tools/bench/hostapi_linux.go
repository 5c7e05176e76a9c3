package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// silence is longer than anything is held to answer again.
const silence = 6 * time.Second

// measureList asks for all workers, one request at a time.
func measureList(ctx context.Context, m *measuring) error {
	const n = 500
	b, err := m.g.newHost(ctx, n, manifest.Settings{})
	if err != nil {
		return err
	}
	defer b.close()
	if _, err := b.up(ctx, n); err != nil {
		return err
	}
	if err := b.connect(ctx, n); err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	size := 0
	// What workers take is measured when somebody asks who has not for a while.
	var first []time.Duration
	for range m.o.amount(3) {
		if err := pause(ctx, silence); err != nil {
			return err
		}
		once, err := timed(1, func() error {
			_, err := b.get(ctx, client, "/api/workers")
			return err
		})
		if err != nil {
			return err
		}
		first = append(first, once...)
	}
	before, err := exactTime(b.pid())
	if err != nil {
		return err
	}
	times := m.o.amount(1000)
	took, err := timed(times, func() error {
		body, err := b.get(ctx, client, "/api/workers")
		size = len(body)
		return err
	})
	if err != nil {
		return err
	}
	after, err := exactTime(b.pid())
	if err != nil {
		return err
	}

	echo, err := startChild(ctx, "echo")
	if err != nil {
		return err
	}
	defer echo.stop()
	bare, err := timed(times, func() error {
		resp, err := client.Get(fmt.Sprintf("http://%s/?bytes=%d", echo.address, size))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != int64(size) {
			return fmt.Errorf("got %d bytes: %w", n, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	m.add(sample{"host-list-p50", milliseconds(quantile(took, 0.5)), milliseconds(quantile(bare, 0.5))})
	m.add(sample{"host-list-p99", milliseconds(quantile(took, 0.99)), milliseconds(quantile(bare, 0.99))})
	m.add(sample{"host-list-first", milliseconds(quantile(first, 0.5)), milliseconds(quantile(bare, 0.5))})
	m.add(sample{"host-list-cpu", milliseconds(after-before) / float64(times), 0})
	return nil
}

func timed(times int, f func() error) ([]time.Duration, error) {
	took := make([]time.Duration, 0, times)
	for range times {
		began := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

const (
	listeners = 50
	lineEvery = "20" // ms
)

// measureFeed has a worker write the time in every line, and takes the time
// until each of the listeners has it.
func measureFeed(ctx context.Context, m *measuring) error {
	bare, err := m.g.bareFeed(ctx, m.o.window)
	if err != nil {
		return fmt.Errorf("fan-out: %w", err)
	}
	b, err := m.g.newHost(ctx, 1, manifest.Settings{Env: map[string]string{"BENCH_EVERY_MS": lineEvery}})
	if err != nil {
		return err
	}
	defer b.close()
	if _, err := b.up(ctx, 1); err != nil {
		return err
	}
	if err := b.connect(ctx, 1); err != nil {
		return err
	}
	took, err := listen(ctx, m.o.window, func(ctx context.Context) (listener, error) {
		conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(b.url, "http")+"/api/events", //nolint:bodyclose // coder/websocket closes it
			&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + b.token}}})
		if err != nil {
			return listener{}, err
		}
		return listener{func() ([]byte, error) {
			_, data, err := conn.Read(ctx)
			return data, err
		}, func() { _ = conn.CloseNow() }}, nil
	})
	if err != nil {
		return err
	}
	m.add(sample{"host-feed-p50", milliseconds(quantile(took, 0.5)), milliseconds(quantile(bare, 0.5))})
	m.add(sample{"host-feed-p99", milliseconds(quantile(took, 0.99)), milliseconds(quantile(bare, 0.99))})
	return nil
}

// bareFeed is the same with a process between that only copies from a pipe to
// sockets.
func (g *ground) bareFeed(ctx context.Context, length time.Duration) ([]time.Duration, error) {
	b, err := g.newBare(ctx)
	if err != nil {
		return nil, err
	}
	defer b.close()
	g.made++
	name := filepath.Join(g.dir, fmt.Sprint("lines", g.made))
	if err := unix.Mkfifo(name, 0o600); err != nil {
		return nil, err
	}
	fifo, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer fifo.Close()
	worker, err := b.spawnTo(fifo, "BENCH_EVERY_MS="+lineEvery)
	if err != nil {
		return nil, err
	}
	defer func() { _ = worker.Kill(); _, _ = worker.Wait() }()
	copier, err := startChild(ctx, "fan-out", name)
	if err != nil {
		return nil, err
	}
	defer copier.stop()
	return listen(ctx, length, func(context.Context) (listener, error) {
		conn, err := net.Dial("tcp", copier.address)
		if err != nil {
			return listener{}, err
		}
		buf := make([]byte, 4096)
		return listener{func() ([]byte, error) {
			n, err := conn.Read(buf)
			return buf[:n], err
		}, func() { _ = conn.Close() }}, nil
	})
}

// listener is one end of a feed.
type listener struct {
	read func() ([]byte, error)
	end  func()
}

// listen opens all listeners and returns how old each line was when each got
// it, from a moment after the last one came.
func listen(ctx context.Context, length time.Duration, open func(context.Context) (listener, error)) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
	defer cancel()
	all := make([]listener, 0, listeners)
	defer func() {
		for _, l := range all {
			l.end()
		}
	}()
	for range listeners {
		l, err := open(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	begin := monotonic() + length.Nanoseconds()/4
	until := begin + length.Nanoseconds()
	took := make([][]time.Duration, len(all))
	err := together(len(all), func(i int) error {
		for {
			data, err := all[i].read()
			now := monotonic()
			if err != nil {
				return err
			}
			at, found := written(data)
			if found && at >= begin {
				took[i] = append(took[i], time.Duration(now-at))
			}
			if found && at >= until {
				return nil
			}
		}
	})
	return slices.Concat(took...), err
}

// written finds the time in a line of the tiny worker.
func written(data []byte) (int64, bool) {
	_, rest, found := bytes.Cut(data, []byte("at "))
	digits := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if !found || digits < 1 {
		return 0, false
	}
	at, err := strconv.ParseInt(string(rest[:digits]), 10, 64)
	return at, err == nil
}
