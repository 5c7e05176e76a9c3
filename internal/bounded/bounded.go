// Package bounded keeps streams within limits: writers that hold only so much
// of what passes, and a reader that ends with a context.
package bounded

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
)

// Head takes everything that is written to it and keeps the first Limit bytes.
// It is safe for concurrent use; without a limit it keeps nothing.
type Head struct {
	Limit int

	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer. It never fails.
func (h *Head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(p[:min(len(p), max(0, h.Limit-h.buf.Len()))])
	return len(p), nil
}

// String is what was kept, without the half of a character at the cut.
func (h *Head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.ToValidUTF8(h.buf.String(), "")
}

// Tail takes everything that is written to it and keeps the last Limit bytes.
// It is safe for concurrent use; without a limit it keeps nothing.
type Tail struct {
	Limit int

	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer. It never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p[max(0, len(p)-t.Limit):])
	if over := t.buf.Len() - t.Limit; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

// String is what was kept, without the half of a character at the cut.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(t.buf.String(), "")
}

// Reader reads r until ctx ends, and then fails with the cause. It looks
// between reads: one that blocks is not interrupted.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (c *reader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
