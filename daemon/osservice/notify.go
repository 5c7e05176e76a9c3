package osservice

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Notifier tells systemd how the daemon is. Its zero value tells nobody: no
// service manager listens.
type Notifier struct{ address string }

// NewNotifier finds out who listens, and takes the address out of the
// environment: what the daemon starts is not to speak for it.
func NewNotifier(getenv func(string) string) Notifier {
	n := Notifier{address: getenv(NotifySocket)}
	_ = os.Unsetenv(NotifySocket) // a name that is set can be unset
	return n
}

// NotifySocket is where systemd says who listens.
const NotifySocket = "NOTIFY_SOCKET"

// Ready says that workers are looked after.
func (n Notifier) Ready(version string) error {
	return n.send("READY=1", "STATUS=version "+version+", looking after workers")
}

// Stopping says that workers are given this long to finish.
func (n Notifier) Stopping(workers int, within time.Duration) error {
	return n.send("STOPPING=1", fmt.Sprintf("STATUS=waiting for %d worker(s) to finish", workers),
		fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (within+clearUp).Microseconds()))
}

func (n Notifier) send(lines ...string) error {
	if n.address == "" {
		return nil
	}
	address := n.address
	if strings.HasPrefix(address, "@") { // in the abstract name space
		address = "\x00" + address[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}
