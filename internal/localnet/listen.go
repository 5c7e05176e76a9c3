// Package localnet keeps local servers local: it binds loopback only, names
// who holds a busy port, and guards a server against what a browser can be
// made to send it.
package localnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// BusyError says that a port is taken.
type BusyError struct {
	Addr   string
	Holder string // "pid 123 (name)", or empty when the system does not tell
}

func (e *BusyError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("%s is in use by another program", e.Addr)
	}
	return fmt.Sprintf("%s is in use by %s", e.Addr, e.Holder)
}

// ErrNotLoopback says that an address would be reachable from other machines.
var ErrNotLoopback = errors.New("not a loopback address")

// IsLoopback reports whether a listen host is reachable from this machine
// only. Names other than localhost are not: they resolve to anything.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// Listen binds host:port, port 0 meaning any free one, and never falls back to
// another address. It refuses hosts that are not loopback with ErrNotLoopback
// and a port that is taken with *BusyError.
func Listen(ctx context.Context, host string, port int) (net.Listener, error) {
	if !IsLoopback(host) {
		return nil, fmt.Errorf("listen on %s: %w", host, ErrNotLoopback)
	}
	return ListenAny(ctx, host, port)
}

// ListenAny is Listen without the loopback rule, for servers that made sure
// that callers have to sign in.
func ListenAny(ctx context.Context, host string, port int) (net.Listener, error) {
	if port < 0 || port > 65535 {
		return nil, fmt.Errorf("listen: port %d is not between 0 and 65535", port)
	}
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &BusyError{Addr: addr, Holder: holder(ctx, port)}
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return listener, nil
}

// Port returns the port a listener is bound to.
func Port(listener net.Listener) int {
	tcp, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0
	}
	return tcp.Port
}
