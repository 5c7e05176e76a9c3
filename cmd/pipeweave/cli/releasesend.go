package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"pipedai/api"
)

// sendTries is how often a file is sent when the connection breaks.
const sendTries = 3

// send sends the bytes of an artifact, again from the start when they did not
// arrive.
func (s *signer) send(ctx context.Context, p plan, f releaseFile) error {
	for try := 1; ; try++ {
		err := s.sendOnce(ctx, p, f)
		var refused *api.Error
		again := errors.As(err, &refused) && (refused.Status == 0 || refused.Status == http.StatusServiceUnavailable)
		if err == nil || !again || try == sendTries || ctx.Err() != nil {
			return err
		}
		s.d.notef("  %s: %v; trying again\n", f.Name, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * s.pause):
		}
	}
}

func (s *signer) sendOnce(ctx context.Context, p plan, f releaseFile) error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	shown := &progress{d: s.d, from: file, name: f.Name, size: f.Size, now: s.d.now}
	_, err = s.c.PutArtifact(ctx, p.Program, p.Version, f.Name, shown, f.Size)
	shown.end(err)
	return err
}

// progress shows how far a file is, to a person who looks on.
type progress struct {
	d     *deps
	from  io.Reader
	name  string
	size  int64
	now   func() time.Time
	done  int64
	shown time.Time
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	p.done += int64(n)
	if p.d.ErrTTY && !p.d.Plain && p.now().Sub(p.shown) > 100*time.Millisecond {
		p.shown = p.now()
		p.d.notef("\r  %s  %3d %%", p.name, p.done*100/max(p.size, 1))
	}
	return n, err
}

func (p *progress) end(err error) {
	start := "  "
	if !p.shown.IsZero() {
		start = "\r  "
	}
	if err != nil {
		p.d.notef("%s%s  stopped after %s of %s\n", start, p.name, bytesText(p.done), bytesText(p.size))
		return
	}
	p.d.notef("%s%s  sent %s\n", start, p.name, bytesText(p.size))
}

var _ io.Reader = (*progress)(nil)
