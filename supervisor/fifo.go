//go:build unix

package supervisor

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// chunk is how many bytes of a stream are handled at a time.
const chunk = 64 << 10

// finalRounds bounds what is read from a stream after its process ended: a
// grandchild that escaped may never stop writing.
const finalRounds = 64

// source is one output stream of a process. What peek returns stays in the
// source until it is consumed, also when the daemon is killed in between, as
// far as the system allows (see teeSource and readSource).
type source interface {
	// wait blocks until there are more than seen bytes (nil), until no writer
	// is left (io.EOF), or until interrupted (os.ErrDeadlineExceeded).
	wait(seen int) error
	// peek returns what is there, at most chunk bytes, without consuming it.
	peek() ([]byte, error)
	// begin notes that the first n bytes are about to be appended to the log
	// file at offset; commit that they are there; consume takes them out.
	begin(n int, offset int64, file uint64)
	commit()
	consume(n int) error
	// interrupt makes wait return after d.
	interrupt(d time.Duration)
	close()
}

// capture follows both streams of one process into the log file.
type capture struct {
	to       sink
	log      *slog.Logger
	sources  []source
	files    []string // removed when the process has ended
	detached atomic.Bool
	wg       sync.WaitGroup
}

// startCapture takes the sources over and closes them in the end. A stream
// that could not be opened is nil.
func startCapture(to sink, log *slog.Logger, files []string, out, err source) *capture {
	c := &capture{to: to, log: log, files: files}
	for stream, s := range map[string]source{"out": out, "err": err} {
		if s != nil {
			c.sources = append(c.sources, s)
			c.wg.Go(func() { c.follow(s, stream) })
		}
	}
	return c
}

// finish is called when the process has ended: it takes what is still there,
// waits at most drain for the pipes to end, and removes them.
func (c *capture) finish(drain time.Duration) {
	for _, s := range c.sources {
		s.interrupt(drain)
	}
	c.wg.Wait()
	for _, name := range c.files {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			c.log.Warn("remove FIFO", "error", err)
		}
	}
}

// detach stops reading; what is unread stays in the FIFOs.
func (c *capture) detach() {
	c.detached.Store(true)
	for _, s := range c.sources {
		s.interrupt(0)
	}
	c.wg.Wait()
}

func (c *capture) follow(s source, stream string) {
	defer s.close()
	seen := 0
	for {
		err := s.wait(seen)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				c.log.Error("read worker output", "stream", stream, "error", err)
			}
			break
		}
		data, err := s.peek()
		if err != nil {
			c.log.Error("read worker output", "stream", stream, "error", err)
			break
		}
		// Data that cannot be seen beyond must be taken as it is, or nothing
		// would move any more.
		n, err := c.take(s, stream, data, len(data) <= seen)
		if err != nil {
			c.log.Error("read worker output", "stream", stream, "error", err)
			break
		}
		seen = len(data) - n
	}
	if c.detached.Load() {
		return
	}
	for range finalRounds {
		data, err := s.peek()
		if err != nil || len(data) == 0 {
			return
		}
		n, err := c.take(s, stream, data, false)
		if n == 0 && err == nil {
			_, err = c.take(s, stream, data, true)
		}
		if err != nil {
			c.log.Error("read worker output", "stream", stream, "error", err)
			return
		}
	}
}

// take moves the whole lines of data from the source to the log file and
// returns how many bytes that were.
func (c *capture) take(s source, stream string, data []byte, final bool) (int, error) {
	now := time.Now()
	var lines []Line
	total := 0
	for {
		text, n, cut := nextLine(data[total:], final)
		if n == 0 {
			break
		}
		total += n
		l := Line{TS: now, Stream: stream, Text: toText(text, cut)}
		if c.to.log.redact != nil {
			l.Text = c.to.log.redact(l.Text)
		}
		lines = append(lines, l)
	}
	if total == 0 {
		return 0, nil
	}
	c.to.log.commit(lines, func(offset int64, file uint64) { s.begin(total, offset, file) }, s.commit)
	if err := s.consume(total); err != nil {
		return total, err
	}
	for _, l := range lines {
		c.to.onLine(l)
	}
	return total, nil
}
