//go:build unix

package supervisor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// readSource reads a FIFO in the ordinary way, where the system cannot copy
// from a pipe without consuming. What was read and is not yet in the log file,
// a last line without its end included, is in memory only: a SIGKILL of the
// daemon in that window loses it. It never doubles a line.
type readSource struct {
	fd   int
	wake [2]int // readable end, writable end: interrupts poll

	whole *[chunk]byte // nil while there is nothing
	buf   []byte       // of whole

	mu    sync.Mutex
	timer *time.Timer
	ended bool
}

func newReadSource(fd int) (*readSource, error) {
	s := &readSource{fd: fd}
	if err := unix.Pipe(s.wake[:]); err != nil {
		return nil, fmt.Errorf("make wake pipe: %w", err)
	}
	for _, end := range s.wake {
		unix.CloseOnExec(end)
	}
	return s, nil
}

func (s *readSource) wait(seen int) error {
	// poll(2) and not the runtime's poller: kqueue does not tell the end of a FIFO.
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.wake[0]), Events: unix.POLLIN}}
	for {
		n, err := s.fill()
		if err != nil {
			return err
		}
		if n > 0 || len(s.buf) > seen {
			return nil
		}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll: %w", err)
		}
		if fds[1].Revents != 0 {
			return os.ErrDeadlineExceeded
		}
	}
}

// readBuffers are what streams are read into that have something.
var readBuffers = sync.Pool{New: func() any { return new([chunk]byte) }}

// fill reads what there is and room for. A silent stream holds no buffer.
func (s *readSource) fill() (int, error) {
	if s.whole == nil {
		s.whole = readBuffers.Get().(*[chunk]byte)
		s.buf = s.whole[:0]
	}
	defer s.release()
	if len(s.buf) == cap(s.buf) {
		return 0, nil
	}
	for {
		n, err := unix.Read(s.fd, s.buf[len(s.buf):cap(s.buf)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, fmt.Errorf("read: %w", err)
		case n == 0:
			return 0, io.EOF
		}
		s.buf = s.buf[:len(s.buf)+n]
		return n, nil
	}
}

func (s *readSource) peek() ([]byte, error) {
	if _, err := s.fill(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return s.buf, nil
}

func (s *readSource) begin(int, int64, uint64) {}
func (s *readSource) commit()                  {}

func (s *readSource) consume(n int) error {
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	return nil
}

func (s *readSource) release() {
	if s.whole != nil && len(s.buf) == 0 {
		readBuffers.Put(s.whole)
		s.whole, s.buf = nil, nil
	}
}

func (s *readSource) interrupt(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.ended {
			// The pipe is empty before the first byte; one is enough.
			_, _ = unix.Write(s.wake[1], []byte{0})
		}
	})
}

func (s *readSource) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	for _, fd := range []int{s.fd, s.wake[0], s.wake[1]} {
		_ = unix.Close(fd)
	}
}
