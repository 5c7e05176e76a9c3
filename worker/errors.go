package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"pipedai/api"
)

// Codes of failed attempts that the SDK itself reports, beside those of api.
const (
	CodePanic     = "PANIC"
	CodeCancelled = "CANCELLED"
	CodeDrained   = "WORKER_STOPPED"
	CodeBadInput  = "INVALID_INPUT"
	CodeBadOutput = "INVALID_OUTPUT"
	CodeStuck     = "HANDLER_STUCK"
)

// TaskError is a failure of which the handler knows more than the sentence.
// Any other error is a retryable failure without a code.
type TaskError struct {
	// Message is one sentence for people.
	Message string
	// Code is for programs; the author chooses it.
	Code string
	// Retryable says whether another attempt may succeed.
	Retryable bool
	// Details travel with the failure as JSON.
	Details any
	// Cause is not reported; errors.Is and errors.As see it.
	Cause error
}

// Error returns the message.
func (e *TaskError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *TaskError) Unwrap() error { return e.Cause }

// Fatal is a failure that no further attempt can mend. A %w in the format
// keeps the cause.
func Fatal(code, format string, args ...any) *TaskError {
	err := fmt.Errorf(format, args...)
	return &TaskError{Message: err.Error(), Code: code, Cause: errors.Unwrap(err)}
}

// Retryable is a failure that another attempt may mend. A %w in the format
// keeps the cause.
func Retryable(code, format string, args ...any) *TaskError {
	err := Fatal(code, format, args...)
	err.Retryable = true
	return err
}

// Why a running attempt was told to end; context.Cause of its Context.
var (
	// ErrCancelled says that the run was cancelled, or is no longer this
	// worker's.
	ErrCancelled = errors.New("the run was cancelled")
	// ErrTimedOut says that the attempt took longer than its task allows.
	ErrTimedOut = errors.New("the attempt timed out")
	// ErrDrained says that the worker is stopping and its patience is over.
	ErrDrained = errors.New("the worker is stopping")
)

// ErrUnauthorized says that the control plane does not know this worker's
// token, or no longer does.
var ErrUnauthorized = errors.New("the control plane does not accept this worker's token")

// maxErrorText bounds what is reported of an error.
const maxErrorText = 8 << 10

// failure turns the error of an attempt into its report.
func failure(ctx context.Context, attempt int, timeout string, err error) api.CallbackRequest {
	err = explainEnd(ctx, timeout, err)
	var known *TaskError
	if !errors.As(err, &known) {
		known = &TaskError{Retryable: true}
	}
	retryable := known.Retryable
	req := api.CallbackRequest{
		Status: "failed", Error: shorten(err.Error(), maxErrorText), ErrorCode: known.Code,
		Retryable: &retryable, Attempt: attempt,
	}
	if known.Details != nil {
		if details, err := json.Marshal(known.Details); err == nil {
			req.Details = details
		}
	}
	return req
}

// explainEnd replaces what a handler says about a context that ended by why it
// did.
func explainEnd(ctx context.Context, timeout string, err error) error {
	if ctx.Err() == nil {
		return err
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrTimedOut):
		return &TaskError{Message: "Task exceeded timeout of " + timeout, Code: api.CodeTimeout, Retryable: true, Cause: err}
	case errors.Is(cause, ErrCancelled):
		return &TaskError{Message: ErrCancelled.Error(), Code: CodeCancelled, Cause: err}
	case errors.Is(cause, ErrDrained):
		return &TaskError{Message: "the worker stopped before the attempt was over", Code: CodeDrained, Retryable: true, Cause: err}
	default:
		return err
	}
}

func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && text[limit]&0xC0 == 0x80 { // not inside a character
		limit--
	}
	return text[:limit] + "…"
}
