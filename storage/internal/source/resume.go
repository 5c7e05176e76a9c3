package source

import (
	"context"
	"errors"
	"fmt"
	"io"

	"pipedai/storage"
)

// Resume reads a body to its end through connections that break: after a
// fault it goes on where it was with what again opens, a few times. again gets
// the number of bytes read so far and must open the same content.
func Resume(ctx context.Context, body io.ReadCloser, size int64, again func(read int64) (io.ReadCloser, error)) io.ReadCloser {
	return &resumer{ctx: ctx, body: body, left: size, again: again}
}

// resumes is how often in a row a body is opened again without a byte read.
const resumes = 3

type resumer struct {
	ctx   context.Context
	body  io.ReadCloser
	read  int64
	left  int64
	tries int
	again func(int64) (io.ReadCloser, error)
}

func (r *resumer) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		r.read += int64(n)
		r.left -= int64(n)
		if n > 0 {
			r.tries = 0
		}
		broken := err != nil && (!errors.Is(err, io.EOF) || r.left > 0)
		switch {
		case !broken:
			return n, err
		case n > 0:
			return n, nil // the fault comes again
		case r.ctx.Err() != nil:
			return 0, context.Cause(r.ctx)
		case r.tries == resumes:
			return 0, fmt.Errorf("%w: %w", storage.ErrUnavailable, err)
		}
		r.tries++
		next, openErr := r.again(r.read)
		if openErr != nil {
			return 0, openErr
		}
		_ = r.body.Close()
		r.body = next
	}
}

func (r *resumer) Close() error { return r.body.Close() }
