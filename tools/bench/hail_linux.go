package main

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed tiny/tiny.c
var tinySource []byte

// tinyWorker compiles the tiny worker, once.
func (g *ground) tinyWorker(ctx context.Context) (string, error) {
	program := filepath.Join(g.dir, "tiny")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	source := program + ".c"
	if err := os.WriteFile(source, tinySource, 0o600); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "cc", "-O2", "-static", "-s", "-o", program, source).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("compile the tiny worker (this needs cc with a static C library: apt-get install gcc libc6-dev): %w\n%s", err, out)
	}
	return program, nil
}

// hail is what a tiny worker says when it starts.
type hail struct {
	pid int
	at  int64 // as monotonic() has it
}

// hails is where tiny workers say that they run. It is the one thing that all
// of them hold: when it is closed they end.
type hails struct {
	name string
	fifo *os.File
	got  chan hail
}

const (
	hailSize   = 16
	hailWithin = 30 * time.Second
)

func listenHails(name string) (*hails, error) {
	if err := unix.Mkfifo(name, 0o600); err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	// Also for writing: it must not come to its end when nobody else does.
	fifo, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	h := &hails{name: name, fifo: fifo, got: make(chan hail, 4096)}
	go func() {
		defer close(h.got)
		var record [hailSize]byte
		for {
			if _, err := io.ReadFull(fifo, record[:]); err != nil {
				return // closed
			}
			h.got <- hail{int(binary.NativeEndian.Uint64(record[:])), int64(binary.NativeEndian.Uint64(record[8:]))}
		}
	}()
	return h, nil
}

func (h *hails) env() string { return "BENCH_ANNOUNCE=" + h.name }

// wait returns the next n hails.
func (h *hails) wait(ctx context.Context, n int, within time.Duration) ([]hail, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	out := make([]hail, 0, n)
	for len(out) < n {
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-timer.C:
			return out, fmt.Errorf("%d of %d said that they run: %w", len(out), n, errTooSlow)
		case one := <-h.got:
			out = append(out, one)
		}
	}
	return out, nil
}

func (h *hails) close() { _ = h.fifo.Close() }

// last is the time of the last one.
func last(all []hail) (at int64) {
	for _, h := range all {
		at = max(at, h.at)
	}
	return at
}

// monotonic is the clock of the kernel, the same for all processes, in ns.
func monotonic() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // cannot fail for this clock
	return t.Nano()
}

// seconds are those from one time of that clock to another.
func seconds(from, to int64) float64 { return float64(to-from) / 1e9 }

// ended waits for processes that are nobody's children here.
type ended struct{ fds []unix.PollFd }

func watchEnds(all []hail) (*ended, error) {
	e := &ended{}
	for _, h := range all {
		fd, err := unix.PidfdOpen(h.pid, 0)
		if err != nil {
			e.close()
			return nil, fmt.Errorf("watch worker %d: %w", h.pid, err)
		}
		e.fds = append(e.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	return e, nil
}

// wait returns when all of them have ended.
func (e *ended) wait(within time.Duration) error {
	deadline := time.Now().Add(within)
	for len(e.fds) > 0 {
		n, err := unix.Poll(e.fds, max(0, int(time.Until(deadline).Milliseconds())))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%d processes have not ended: %w", len(e.fds), errTooSlow)
		}
		left := e.fds[:0]
		for _, fd := range e.fds {
			if fd.Revents == 0 {
				left = append(left, fd)
			} else {
				_ = unix.Close(int(fd.Fd))
			}
		}
		e.fds = left
	}
	return nil
}

func (e *ended) close() {
	for _, fd := range e.fds {
		_ = unix.Close(int(fd.Fd))
	}
	e.fds = nil
}
