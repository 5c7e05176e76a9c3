package controlplane

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/storage"
	"pipedai/store"
)

// answer turns an error into what the client hears. It is the only place that
// does, for every route. label names the step in the words of the contract; an
// error nobody expected is answered with the label and the request id alone,
// and its cause is in the log.
func (s *Server) answer(ctx context.Context, label string, err error) error {
	var known *api.Error
	if errors.As(err, &known) && known.Status != 0 {
		return known
	}
	var graph *engine.InvalidPipelineError
	var request *engine.InvalidError
	var input *engine.InputError
	switch {
	case errors.As(err, &graph):
		return &api.Error{
			Status: http.StatusBadRequest, Code: api.CodeInvalidPipeline,
			Message: "Pipeline validation failed: " + strings.Join(graph.Validation.Errors, "; "),
			Details: map[string]any{"errors": graph.Validation.Errors, "warnings": orEmpty(graph.Validation.Warnings)},
		}
	case errors.As(err, &input):
		return &api.Error{
			Status: http.StatusBadRequest, Code: api.CodeInvalidInput, Message: "Input validation failed",
			ValidationErrors: wireInputErrors(input.Errors), Extra: map[string]any{"index": input.Index},
		}
	case errors.As(err, &request):
		return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Invalid request", Detail: request.Message}
	case errors.Is(err, store.ErrMaintenance):
		return &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeMaintenance, Message: "Orchestrator is in maintenance mode"}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, storage.ErrNotFound):
		return &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Not found"}
	case errors.Is(err, store.ErrConflict):
		return &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: "Conflict"}
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return &unexpected{cause: err, answer: &api.Error{
			Status: http.StatusServiceUnavailable, Code: api.CodeUnavailable, Message: label,
			Detail: "the database does not answer or takes no writes now; try again later",
		}}
	case errors.Is(err, store.ErrLeaseLost):
		return &api.Error{Status: http.StatusConflict, Code: api.CodeLeaseLost, Message: "The attempt is over"}
	case errors.Is(err, storage.ErrBadPath):
		return errBadPath
	case errors.Is(err, storage.ErrAltered):
		return storageFailed(err, http.StatusBadGateway, api.CodeStorageAltered, label, "the object is not what was stored, and is not served")
	case errors.Is(err, storage.ErrDenied):
		return storageFailed(err, http.StatusBadGateway, api.CodeStorageDenied, label, "storage refuses the server's credentials or its clock; the server's log says which")
	case errors.Is(err, storage.ErrUnavailable):
		return storageFailed(err, http.StatusServiceUnavailable, api.CodeStorageUnreadable, label, "storage does not answer now; try again later")
	case ctx.Err() != nil:
		return err // the client went away: nobody reads the answer, and it is no failure of ours
	}
	return &unexpected{cause: err, answer: &api.Error{
		Status: http.StatusInternalServerError, Code: api.CodeInternal, Message: label,
		Detail: "an internal error occurred; the server's log has it under this request id",
	}}
}

// unexpected is an error whose text is for the log and whose answer is for the
// client.
type unexpected struct {
	cause  error
	answer *api.Error
}

func (e *unexpected) Error() string { return e.answer.Message + ": " + e.cause.Error() }
func (e *unexpected) Unwrap() error { return e.answer }

// storageFailed is a fault of storage that the client may know about. What
// storage said is in the log.
func storageFailed(cause error, status int, code, label, detail string) error {
	return &unexpected{cause: cause, answer: &api.Error{Status: status, Code: code, Message: label, Detail: detail}}
}

// missing says which thing does not exist, if that is what err says. member
// is the name under which the body repeats the id; empty for none.
func missing(err error, thing, member, id string) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	out := &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: thing + " not found"}
	if member != "" {
		out.Extra = map[string]any{member: id}
	}
	return out
}

// hostError is a refusal of the remote API for hosts, whose clients look at
// the word in "error".
func hostError(status int, code, sentence string) *api.Error {
	return &api.Error{Status: status, Code: code, Message: code, Detail: sentence}
}

var (
	errNoRoute      = &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Not found"}
	errUnauthorized = hostError(http.StatusUnauthorized, api.CodeUnauthorized, "a valid token is needed")
	// A host that hears this knows that somebody meant it, and not that the server
	// lost its memory.
	errRevoked = &api.Error{
		Status: http.StatusUnauthorized, Code: api.CodeRevoked, Message: api.CodeUnauthorized, Detail: "the credential was revoked",
	}
	errForbidden   = hostError(http.StatusForbidden, api.CodeForbidden, "the token does not allow this")
	errRateLimited = hostError(http.StatusTooManyRequests, api.CodeRateLimited, "too many failed attempts; wait a minute")
	errGone        = hostError(http.StatusGone, api.CodeExpiredToken, "the code has expired; ask for a new one")
	errConsumed    = hostError(http.StatusConflict, api.CodeAlreadyConsumed, "the code was used already")
)

// fail writes an error outside the handler functions: guard, path rules,
// access rules and streams.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, label string, err error) {
	err = s.answer(r.Context(), label, err)
	noteFailure(r.Context(), err)
	s.kit.Fail(w, r, err)
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
