package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"pipedai/internal/backoff"
)

// between are the pauses between two tries to send the same bytes.
var between = backoff.Policy{Base: 200 * time.Millisecond, Max: 5 * time.Second}

// sendBlock sends bytes, again when the server was only busy or out of reach.
// The client would try again by itself with the reader of the try before, which
// a connection that failed may still be reading from. So it gets one that it
// cannot rewind, and each try one of its own.
func sendBlock(ctx context.Context, block []byte, send func(io.Reader) error) error {
	for try := 1; ; try++ {
		out := &once{r: bytes.NewReader(block)}
		err := send(out)
		out.revoke()
		if err == nil || try == maxTries || !passes(ctx, err) || !between.Wait(ctx, try) {
			return err
		}
	}
}

// passes reports whether another try may go well.
func passes(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		return true // no answer
	}
	return answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= http.StatusInternalServerError ||
		answer.Code == "RequestTimeout" // the server did not see the end of what was sent
}

// errRevoked is what a connection reads that comes too late.
var errRevoked = errors.New("the try is over")

// once reads bytes until it is revoked. After that nobody holds the bytes.
type once struct {
	mu sync.Mutex
	r  *bytes.Reader
}

// Read implements io.Reader.
func (o *once) Read(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.r == nil {
		return 0, errRevoked
	}
	return o.r.Read(p)
}

func (o *once) revoke() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.r = nil
}
