package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"pipedai/storage"
)

// classify says what an answer of the server means to a caller. Texts of the
// server are passed on; they name keys by id at most, never secrets.
func (b *Bucket) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		return err
	}
	text := answer.Message
	if text == "" {
		text = answer.Code
	}
	as := func(kind error) error { return fmt.Errorf("%w: %s", kind, text) }
	switch answer.Code {
	case "NoSuchKey", "NotFound", "NoSuchUpload":
		return storage.ErrNotFound
	case "NoSuchBucket":
		return fmt.Errorf("there is no bucket %q", b.name)
	case "PreconditionFailed", "ConditionalRequestConflict":
		return storage.ErrExists
	case "InvalidRange":
		return storage.ErrBadRange
	case "RequestTimeTooSkewed":
		return as(fmt.Errorf("%w: the clock of this machine differs from that of the storage; set it right", storage.ErrDenied))
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
		"AuthorizationHeaderMalformed", "AccountProblem", "InvalidSecurity":
		return as(storage.ErrDenied)
	}
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return storage.ErrNotFound
	case answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusUnauthorized:
		return as(storage.ErrDenied)
	case answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= http.StatusInternalServerError:
		return as(storage.ErrUnavailable)
	}
	return fmt.Errorf("storage answered %s: %s", answer.Code, text)
}
