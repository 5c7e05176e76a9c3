package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"pipedai/enroll"
)

// Contract 12, row 75: the stop waited for requests in flight before it stopped
// a worker. Clients that hold a request or a socket open for as long as they
// can, in every way they can, now hold up nothing: the workers end first, and
// the daemon soon after.
func TestRun_75_heldRequestsDoNotHoldTheStop(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	dir := newHome(t, p.URL, "w1")
	d := startDaemon(t, testOptions(dir))
	pid := d.pid(t, "w1")
	counting(t, dir, "w1")
	creds, err := enroll.LoadCredentials(dir.Credentials())
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(d.url, "http://")
	head := "Host: " + address + "\r\nAuthorization: Bearer " + creds.LocalToken.Reveal() + "\r\n"
	hold := func(request string) net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	hold("GET /api/workers HTTP/1.1\r\nX-Slow: ") // headers that never end
	// A body that is announced and does not come: its handler waits for it.
	hold("POST /api/reload HTTP/1.1\r\n" + head + "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
	// A download that nobody takes, and a socket whose owner sleeps.
	hold("GET /api/workers/w1/logs/download HTTP/1.1\r\n" + head + "\r\n")
	socket, _, err := websocket.Dial(t.Context(), "ws://"+address+"/api/events", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + creds.LocalToken.Reveal()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	// The handlers are reached: one request behind them on a connection is answered.
	answered := bufio.NewReader(hold("GET /api/healthz HTTP/1.1\r\n" + head + "\r\n"))
	if resp, err := http.ReadResponse(answered, nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("health: %v", err)
	}

	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- d.stop() }()
	until(t, "the worker ends while the requests are held", func() bool { return !alive(pid) })
	worker := time.Since(began)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the daemon: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("the worker ended after %v, and the daemon waits for the requests", worker)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, _, err := socket.Read(ctx)
		if err == nil {
			continue
		}
		if got := fmt.Sprint(err); !strings.Contains(got, "the daemon is stopping") {
			t.Errorf("the socket closed with %s", got)
		}
		break
	}
}
