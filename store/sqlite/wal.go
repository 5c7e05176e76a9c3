package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"strconv"
	"sync"
	"time"
)

// The write-ahead log. Commits append to it, and SQLite copies what it holds
// into the file every walPages pages; it starts over from its beginning when
// everything is copied and nobody reads from it at that moment. Somebody may
// always be reading, and then it would grow for ever. So once it is larger than
// walLarge, reads wait for a moment until it has started over. A reader in
// another program cannot be asked to wait: the log grows for as long as that one
// keeps its snapshot, and is cut back after it.
const (
	walPages    = 4000     // 16 MiB: pages written again and again are copied once
	walLarge    = 64 << 20 // bytes
	walKept     = 32 << 20 // bytes of the file that stay when it starts over
	walPatience = 50 * time.Millisecond
	walRetry    = time.Second // between two tries, each of which holds up reads

	// pageCache is what the writer keeps of the file, in KiB: the ends of its
	// trees, which all work goes to, and one large batch.
	pageCache = 32 << 10
)

// gate lets reads through, and can be shut for a moment.
type gate struct {
	mu   sync.Mutex
	in   int
	shut chan struct{} // closed when it opens again; nil: open
	idle chan struct{} // closed when nobody is in; nil: nobody waits for that
}

// enter waits while the gate is shut.
func (g *gate) enter(ctx context.Context) error {
	for {
		g.mu.Lock()
		shut := g.shut
		if shut == nil {
			g.in++
		}
		g.mu.Unlock()
		if shut == nil {
			return nil
		}
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.in--; g.in == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// close shuts the gate and waits for those inside, but not for long. Call open.
func (g *gate) close(patience time.Duration) (empty bool) {
	g.mu.Lock()
	g.shut = make(chan struct{})
	var idle chan struct{}
	if g.in > 0 {
		idle = make(chan struct{})
		g.idle = idle
	}
	g.mu.Unlock()
	if idle == nil {
		return true
	}
	select {
	case <-idle:
		return true
	case <-time.After(patience):
		return false
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut, g.idle = nil, nil
}

// setUp tells a new writing connection how to keep the log and the cache.
func (c *conn) setUp() error {
	for _, pragma := range []string{
		"wal_autocheckpoint = " + strconv.Itoa(walPages),
		"journal_size_limit = " + strconv.Itoa(walKept),
		"cache_size = -" + strconv.Itoa(pageCache),
		// Savepoints keep what they may have to undo in memory, not in a file.
		"temp_store = memory",
	} {
		if err := c.pragma(pragma); err != nil {
			return err
		}
	}
	return nil
}

// tend cuts the log back when it has grown too large.
func (w *writer) tend(c *conn) {
	info, err := os.Stat(w.path + "-wal")
	if err != nil || info.Size() < w.large || time.Since(w.tended) < walRetry {
		return
	}
	w.tended = time.Now()
	defer w.reads.open()
	if !w.reads.close(walPatience) {
		return
	}
	_ = c.Raw(func(raw any) error {
		c.raw = raw.(driver.ConnPrepareContext)
		// Waiting for another program's reader would hold up every step.
		if err := c.pragma("busy_timeout = 0"); err != nil {
			return err
		}
		busy := c.pragma("wal_checkpoint(truncate)") // next time, then
		return errors.Join(busy, c.pragma("busy_timeout = "+strconv.FormatInt(w.busy.Milliseconds(), 10)))
	})
}

func (c *conn) pragma(what string) error {
	return c.rows("pragma "+what, nil, func(scanner) error { return nil })
}
