package supervisor

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A stream sleeps until there is more than it has seen, though what it has seen
// lies in the FIFO all the time, and does not look at writes it does not wait for.
func TestBell_RingsOnlyForWhoWaits(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	fd, err := openFIFO(p.name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	b, err := newBell(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	var asked atomic.Int64
	held := func() int {
		n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	more := func(than int) func() bool {
		return func() bool { asked.Add(1); return held() > than }
	}
	wait := func(than int) (int64, error) {
		t.Helper()
		asked.Store(0)
		b.interrupt(time.Minute)
		err := b.wait(more(than))
		return asked.Load(), err
	}
	rung := make(chan int64)
	wake := func(than int, write func()) {
		t.Helper()
		go func() {
			n, err := wait(than)
			if err != nil {
				t.Error(err)
			}
			rung <- n
		}()
		eventually(t, "it waits", func() bool { return asked.Load() >= 2 })
		write()
		// Once before it is armed, once after, once for what lies there, once
		// for what comes, and perhaps for an old ring.
		if n := <-rung; n > 5 {
			t.Errorf("asked %d times for one write", n)
		}
	}
	wake(0, func() { p.write("line\nhalf ") })
	wake(10, func() { p.write("of") })
	for range 1000 {
		p.write(".")
	}
	if n, err := unix.EpollWait(b.epfd, make([]unix.EpollEvent, 1), 0); n != 0 || err != nil {
		t.Errorf("%d rings while nobody waits, %v", n, err)
	}
	if n, err := wait(12); n != 1 || err != nil {
		t.Errorf("asked %d times for what is there, %v", n, err)
	}
	wake(1012, func() { p.write("\n") })

	b.interrupt(0)
	if err := b.wait(more(2000)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("interrupted: %v", err)
	}
}

// The end of the last writer wakes a stream that waits behind half a line.
func TestTeeSource_EndBehindHalfALine(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	s := p.open()
	defer s.close()
	p.write("half")
	if err := s.wait(0); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- s.wait(4) }()
	p.w.Close()
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("wait: %v", err)
	}
}
