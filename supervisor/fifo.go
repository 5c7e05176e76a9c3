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

// A stream that brings little at a time, and often, is looked at once in
// gatherFor at most, so that a round takes more than a line. Output after a
// while of silence is taken at once.
const (
	gatherFor   = time.Millisecond
	gatherBelow = chunk / 4 // bytes in a round
)

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
	// release ends the round: what peek returned must not be used any more.
	release()
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
	scarce   atomic.Bool   // it was said that this host is short of resources
	ending   chan struct{} // closed by finish and detach
	wg       sync.WaitGroup
}

// startCapture takes the sources over and closes them in the end. A stream
// that could not be opened is nil.
func startCapture(to sink, log *slog.Logger, files []string, out, err source) *capture {
	c := &capture{to: to, log: log, files: files, ending: make(chan struct{})}
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
	close(c.ending)
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
	close(c.ending)
	for _, s := range c.sources {
		s.interrupt(0)
	}
	c.wg.Wait()
}

func (c *capture) follow(s source, stream string) {
	defer s.close()
	f := &formatter{stream: stream, secrets: c.to.secrets}
	seen := 0
	var last time.Time // end of the last round
	for {
		err := s.wait(seen)
		if err == nil {
			var n, all int
			n, all, err = c.round(s, f, seen)
			seen = all - n
			if all < gatherBelow && time.Since(last) < 2*gatherFor {
				c.pause(gatherFor)
			}
			last = time.Now()
		}
		if isTransient(err) {
			c.short(err)
			continue
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				c.log.Error("read worker output", "stream", stream, "error", err)
			}
			break
		}
	}
	if c.detached.Load() {
		return
	}
	until := time.Now().Add(shortPatience)
	for rounds := 0; rounds < finalRounds; rounds++ {
		n, all, err := c.round(s, f, -1)
		if isTransient(err) && time.Now().Before(until) {
			rounds--
			c.short(err)
			continue
		}
		if err != nil {
			c.log.Error("read worker output", "stream", stream, "error", err)
		}
		if err != nil || all == 0 || n == 0 {
			return
		}
	}
}

// short waits a moment for descriptors that are wanting. The output stays
// where it is.
func (c *capture) short(err error) {
	if c.scarce.CompareAndSwap(false, true) {
		c.log.Warn("worker output is taken later: this host is short of resources", "error", err)
	}
	c.pause(shortPause)
}

// pause lets output gather, unless the stream is to end.
func (c *capture) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ending:
	}
}

// round looks at what the source has, and moves its whole lines to the log
// file. It returns how many bytes were moved, of how many.
//
// seen is how much was there before and could not be moved: data that cannot
// be seen beyond must be taken as it is, or nothing would move any more. When
// it is negative the stream has ended, and the rest is a line.
func (c *capture) round(s source, f *formatter, seen int) (n, all int, err error) {
	defer s.release()
	data, err := s.peek()
	if err != nil || len(data) == 0 {
		return 0, 0, err
	}
	n, err = c.take(s, f, data, seen >= 0 && len(data) <= seen)
	if n == 0 && err == nil && seen < 0 {
		n, err = c.take(s, f, data, true)
	}
	return n, len(data), err
}

// lineBuffers are what lines are formatted in, of streams that have some.
var lineBuffers = sync.Pool{New: func() any { return new([]byte) }}

// take moves the whole lines of data from the source to the log file and
// returns how many bytes that were.
func (c *capture) take(s source, f *formatter, data []byte, final bool) (int, error) {
	buf := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(buf)
	out, total, lines := f.format((*buf)[:0], data, time.Now(), final)
	*buf = out
	if total == 0 {
		return 0, nil
	}
	pos := c.to.log.commit(out, lines, func(offset int64, file uint64) { s.begin(total, offset, file) }, s.commit)
	if err := s.consume(total); err != nil {
		return total, err
	}
	c.to.onLines(out, pos)
	return total, nil
}
