package localapi

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// gathering is a response whose hijacked connection is a gatherer.
type gathering struct {
	http.ResponseWriter
	conn *gatherer
}

// Hijack implements http.Hijacker.
func (g *gathering) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(g.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	g.conn = &gatherer{Conn: conn}
	return g.conn, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(g.conn)), nil
}

// gatherer is a connection that can hold back what is written, to send it in
// one piece: a system call for every line to every page is most of what a busy
// worker's log costs while somebody looks at it.
type gatherer struct {
	net.Conn

	mu      sync.Mutex // of writes
	holding bool
	held    *[]byte // nil while there is nothing
}

// gatherLimit bounds what is held back.
const gatherLimit = 64 << 10

var gatherBuffers = sync.Pool{New: func() any {
	buf := make([]byte, 0, gatherLimit)
	return &buf
}}

// hold begins to hold back.
func (g *gatherer) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holding = true
}

// release sends what was held back, and holds back no more. A peer that does
// not read has writeTimeout, or until ctx ends: the connection is closed then,
// as it is when a single message is given up.
func (g *gatherer) release(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holding = false
	if g.held == nil {
		return nil
	}
	defer context.AfterFunc(ctx, func() { _ = g.Close() })()
	if err := g.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if err := g.flush(); err != nil {
		return err
	}
	return g.SetWriteDeadline(time.Time{})
}

// Write implements net.Conn.
func (g *gatherer) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil && len(*g.held)+len(p) > gatherLimit {
		if err := g.flush(); err != nil {
			return 0, err
		}
	}
	if !g.holding || len(p) > gatherLimit {
		return g.Conn.Write(p)
	}
	if g.held == nil {
		g.held = gatherBuffers.Get().(*[]byte)
	}
	*g.held = append(*g.held, p...)
	return len(p), nil
}

// flush sends what is held. Callers hold mu.
func (g *gatherer) flush() error {
	_, err := g.Conn.Write(*g.held)
	*g.held = (*g.held)[:0]
	gatherBuffers.Put(g.held)
	g.held = nil
	return err
}
