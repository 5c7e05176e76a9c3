package supervisor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pipeSize is what a FIFO should hold while no daemon reads it.
const pipeSize = 1 << 20

// teeSource reads a FIFO so that a SIGKILL of the daemon at any instruction
// neither loses nor doubles a byte: tee(2) copies without consuming, the copy
// goes to the log file, and only then is the same number of bytes consumed.
// The progress record says which of these steps was under way (see progress).
//
// What is left: bytes that are in the FIFO when the last process that holds it
// ends while no daemon is there (the kernel frees a FIFO nobody holds open),
// lines dropped because the disk was full, and a power cut, after which the
// log file may miss what the system had not yet written to the disk.
type teeSource struct {
	f       *os.File // the FIFO, non-blocking
	conn    syscall.RawConn
	scratch [2]int // a pipe of our own: where tee puts the copy
	pos     *progress
	buf     []byte // the copy
}

// newSource opens a stream for reading, and finishes what a daemon that was
// killed had begun.
func newSource(fd int, progressFile string, log *logFile, slog *slog.Logger) (source, error) {
	s := &teeSource{f: os.NewFile(uintptr(fd), "worker output"), scratch: [2]int{-1, -1}, buf: make([]byte, chunk)}
	size := growPipe(fd)
	conn, err := s.f.SyscallConn()
	if err == nil {
		s.conn = conn
		err = unix.Pipe2(s.scratch[:], unix.O_CLOEXEC|unix.O_NONBLOCK)
	}
	if err == nil {
		// As many slots as the FIFO has, so that a copy shows all of it.
		_, err = unix.FcntlInt(uintptr(s.scratch[0]), unix.F_SETPIPE_SZ, size)
		if errors.Is(err, unix.EPERM) {
			err = nil // the user's pipes are at their limit; the default must do
		}
	}
	if err == nil {
		s.pos, err = openProgress(progressFile, slog)
	}
	if err == nil {
		var available int
		if available, err = unix.IoctlGetInt(fd, unix.TIOCINQ); err == nil {
			err = s.pos.recover(log, available, s.read)
		}
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
	err := s.conn.Read(func(fd uintptr) bool {
		available, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		switch {
		case err != nil:
			failed = fmt.Errorf("ask how much there is: %w", err)
		case available > seen:
		case hungUp(int(fd)):
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
	var n int64
	err := s.control(func(fd int) (err error) {
		n, err = unix.Tee(fd, s.scratch[1], chunk, unix.SPLICE_F_NONBLOCK)
		return err
	})
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("tee: %w", err)
	}
	for got := 0; got < int(n); {
		m, err := unix.Read(s.scratch[0], s.buf[got:n])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read copy: %w", err)
		}
		got += m
	}
	return s.buf[:n], nil
}

func (s *teeSource) begin(n int, offset int64, file uint64) { s.pos.begin(s.buf[:n], offset, file) }

func (s *teeSource) commit() { s.pos.commit() }

func (s *teeSource) consume(n int) error {
	if !s.pos.pending() { // the lines were dropped before they were begun
		s.pos.begin(s.buf[:n], -1, 0)
		s.pos.commit()
	}
	return s.pos.consume(s.read)
}

// read consumes from the FIFO.
func (s *teeSource) read(buf []byte) (int, error) {
	n := 0
	err := s.control(func(fd int) (err error) {
		n, err = unix.Read(fd, buf)
		return err
	})
	return max(n, 0), err
}

// control runs f on the descriptor, again after a signal.
func (s *teeSource) control(f func(fd int) error) error {
	var failed error
	err := s.conn.Control(func(fd uintptr) {
		for {
			failed = f(int(fd))
			if !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

func (s *teeSource) interrupt(d time.Duration) {
	// The error of a closed file means that there is nothing to interrupt.
	_ = s.f.SetReadDeadline(time.Now().Add(d))
}

func (s *teeSource) close() {
	_ = s.f.Close()
	for _, fd := range s.scratch {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	if s.pos != nil {
		s.pos.close()
	}
}
