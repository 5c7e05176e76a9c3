//go:build unix

package dispatch

import "syscall"

// alive reports whether an idle connection is still good: the worker has not
// closed it, and has not sent what nobody asked for.
func (c *conn) alive() bool {
	if c.raw == nil {
		return true
	}
	alive := false
	err := c.raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true // whatever it was, do not wait
	})
	return err == nil && alive
}
