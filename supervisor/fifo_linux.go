package supervisor

import (
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// pipeSize is what a FIFO should hold while no daemon reads it.
const pipeSize = 1 << 20

// teeSource reads a FIFO so that a SIGKILL of the daemon at any instruction
// neither loses nor doubles a byte: tee(2) copies without consuming, the copy
// goes to the log file, and only then is the same number of bytes consumed.
// Which of these steps is under way stands in a round.
//
// What is left: bytes that are in the FIFO when the last process that holds it
// ends while no daemon is there (the kernel frees a FIFO nobody holds open),
// lines dropped because the disk was full, and a power cut, after which the
// log file may miss what the system had not yet written to the disk.
type teeSource struct {
	fd     int // the FIFO, non-blocking
	bell   *bell
	name   string
	rounds *rounds
	r      *round // between peek and release
	first  func([]byte) (int, error)
}

// newSource opens a stream for reading, and finishes what a daemon that was
// killed had begun.
func newSource(fd int, name string, to sink) (source, error) {
	s := &teeSource{fd: fd, name: name, rounds: to.rounds}
	s.first = s.read
	if to.log.at != nil { // a fail-point within the consumption, too
		s.first = func(buf []byte) (int, error) {
			n, err := s.read(buf[:max((len(buf)+1)/2, min(len(buf), 200))])
			to.log.step("half consumed")
			return n, err
		}
	}
	growPipe(fd)
	available, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	if err == nil {
		err = s.rounds.recover(name, to.log, available, s.first)
	}
	if err == nil {
		s.bell, err = newBell(fd)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("follow worker output: %w", err)
	}
	return s, nil
}

// growPipe makes the pipe as large as we are allowed to and returns its size.
func growPipe(fd int) int {
	for size := pipeSize; size > 64<<10; size /= 2 {
		if n, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, size); err == nil {
			return n
		}
	}
	n, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return 64 << 10
	}
	return n
}

func (s *teeSource) wait(seen int) error {
	var failed error
	err := s.bell.wait(func() bool {
		available, err := unix.IoctlGetInt(s.fd, unix.TIOCINQ)
		switch {
		case err != nil:
			failed = fmt.Errorf("ask how much there is: %w", err)
		case available > seen:
		case hungUp(s.fd):
			failed = io.EOF
		default:
			return false
		}
		return true
	})
	if err != nil {
		return err // os.ErrDeadlineExceeded when interrupted
	}
	return failed
}

// hungUp tells whether no writer is left.
func hungUp(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, 0)
	return err == nil && fds[0].Revents&unix.POLLHUP != 0
}

func (s *teeSource) peek() ([]byte, error) {
	r, err := s.rounds.take(s.name)
	if err != nil {
		return nil, err
	}
	s.r = r
	var n int64
	err = undisturbed(func() (err error) {
		n, err = unix.Tee(s.fd, r.scratch[1], chunk, unix.SPLICE_F_NONBLOCK)
		return err
	})
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("tee: %w", err)
	}
	s.rounds.at("copied")
	return r.data[:n], r.read(int(n))
}

func (s *teeSource) begin(n int, offset int64, file uint64) { s.r.begin(n, offset, file) }

func (s *teeSource) commit() { s.r.commit() }

func (s *teeSource) consume(n int) error {
	if !s.r.pending() { // the lines were dropped before they were begun
		s.r.begin(n, -1, 0)
		s.r.commit()
	}
	return s.r.consume(s.first)
}

func (s *teeSource) release() {
	if s.r != nil {
		s.rounds.give(s.r)
		s.r = nil
	}
}

// read consumes from the FIFO.
func (s *teeSource) read(buf []byte) (int, error) {
	n := 0
	err := undisturbed(func() (err error) {
		n, err = unix.Read(s.fd, buf)
		return err
	})
	return max(n, 0), err
}

// undisturbed runs f, again after a signal.
func undisturbed(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (s *teeSource) interrupt(d time.Duration) { s.bell.interrupt(d) }

func (s *teeSource) close() {
	s.release()
	if s.bell != nil {
		s.bell.close()
	}
	_ = unix.Close(s.fd)
}
