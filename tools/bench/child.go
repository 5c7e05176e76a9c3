package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// child is a push service, pull worker or echo server in its own process. It
// ends when its standard input does, so it cannot outlive the harness.
type child struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan counts
	address string
}

// partOfBench is set for children, so that a test binary knows that it is one.
const partOfBench = "BENCH_PART"

const answerWithin = 10 * time.Second

// startChild runs this program as one of its parts.
func startChild(ctx context.Context, name string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: name, cmd: exec.Command(self, append([]string{name}, args...)...), answers: make(chan counts, 16)}
	c.cmd.Env = append(os.Environ(), partOfBench+"=1")
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(c.answers)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var n counts
			if json.Unmarshal(lines.Bytes(), &n) == nil {
				c.answers <- n
			}
		}
	}()
	ready, err := c.wait(ctx, "ready", answerWithin)
	if err != nil {
		c.stop()
		return nil, err
	}
	c.address = ready.Address
	return c, nil
}

func (c *child) stop() {
	_ = c.in.Close()
	ended := make(chan struct{})
	go func() { _ = c.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(2 * time.Second):
		_ = c.cmd.Process.Kill()
		<-ended
	}
}

func (c *child) tell(format string, args ...any) error {
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

var errTooSlow = errors.New("not in time")

// wait returns the next answer of a kind, or errTooSlow.
func (c *child) wait(ctx context.Context, event string, within time.Duration) (counts, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return counts{}, ctx.Err()
		case <-timer.C:
			return counts{}, fmt.Errorf("%s: %s: %w", c.name, event, errTooSlow)
		case n, open := <-c.answers:
			if !open {
				return counts{}, fmt.Errorf("%s ended", c.name)
			}
			if n.Event == event {
				return n, nil
			}
		}
	}
}

func (c *child) stats(ctx context.Context) (counts, error) {
	if err := c.tell("stats"); err != nil {
		return counts{}, err
	}
	return c.wait(ctx, "stats", answerWithin)
}

// window waits until the expected reports are in or a time after the first
// receipt has passed, and returns the counts then and the rate since the first
// receipt.
func (c *child) window(ctx context.Context, length time.Duration) (counts, float64, error) {
	begun := time.Now()
	for {
		n, err := c.stats(ctx)
		if err != nil {
			return n, 0, err
		}
		if n.Receipts > 0 {
			length -= time.Duration(n.Now - n.First)
			break
		}
		if time.Since(begun) > 30*time.Second {
			return n, 0, fmt.Errorf("%s got nothing to do", c.name)
		}
		time.Sleep(2 * time.Millisecond)
	}
	n, err := c.wait(ctx, "done", max(length, time.Millisecond))
	if errors.Is(err, errTooSlow) {
		n, err = c.stats(ctx)
		n.Last = n.Now
	}
	if err != nil {
		return n, 0, err
	}
	if n.Refused > 0 {
		return n, 0, fmt.Errorf("%s: the engine refused %d reports; the first: %s", c.name, n.Refused, n.Refusal)
	}
	return n, float64(n.Acks) / time.Duration(n.Last-n.First).Seconds(), nil
}
