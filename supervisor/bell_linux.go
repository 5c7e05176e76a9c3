package supervisor

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bell wakes a stream when its FIFO gets something, and only while the stream
// waits for that. The runtime's poller could not be told to look away: it would
// wake for every write of a worker that writes line by line, however busy we
// are with the lines before. So the FIFO is watched by an epoll instance of its
// own, which can be told, and the runtime's poller watches that one.
type bell struct {
	ep    *os.File
	epfd  int // of ep
	conn  syscall.RawConn
	fd    int // the FIFO
	armed bool
}

func newBell(fd int) (*bell, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a poller: %w", err)
	}
	if err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd)}); err == nil {
		err = unix.SetNonblock(ep, true) // what makes the runtime poll it
	}
	b := &bell{ep: os.NewFile(uintptr(ep), "poller"), epfd: ep, fd: fd}
	if err == nil {
		b.conn, err = b.ep.SyscallConn()
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("watch a FIFO: %w", err)
	}
	return b, nil
}

// wait returns when ready does with true. It asks at once, and then whenever
// something was written to the FIFO or its last writer is gone.
func (b *bell) wait(ready func() bool) error {
	var failed error
	err := b.conn.Read(func(uintptr) bool {
		if ready() {
			return true
		}
		if !b.armed {
			if failed = b.arm(unix.EPOLLIN); failed != nil {
				return true
			}
			// What was written before that rang for nobody.
			return ready()
		}
		return false
	})
	if b.armed && failed == nil {
		failed = b.arm(0)
	}
	if err != nil {
		return err
	}
	return failed
}

func (b *bell) arm(events uint32) error {
	if err := unix.EpollCtl(b.epfd, unix.EPOLL_CTL_MOD, b.fd, &unix.EpollEvent{Events: events, Fd: int32(b.fd)}); err != nil {
		return fmt.Errorf("watch a FIFO: %w", err)
	}
	b.armed = events != 0
	return nil
}

// interrupt makes wait return os.ErrDeadlineExceeded after d.
func (b *bell) interrupt(d time.Duration) {
	// The error of a closed file means that there is nothing to interrupt.
	_ = b.ep.SetReadDeadline(time.Now().Add(d))
}

func (b *bell) close() { _ = b.ep.Close() }
