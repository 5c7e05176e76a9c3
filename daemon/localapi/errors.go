package localapi

import (
	"errors"
	"net/http"

	"pipedai/api"
	"pipedai/internal/hostdir"
)

// ErrUnknownWorker says that no managed worker has the id.
var ErrUnknownWorker = errors.New("no managed worker has this id")

// mapError is the one place where an error becomes an answer.
func (s *Server) mapError(err error) *api.Error {
	switch {
	case errors.Is(err, ErrUnknownWorker), errors.Is(err, hostdir.ErrBadID):
		return &api.Error{
			Status: http.StatusNotFound, Code: api.CodeNotFound,
			Message: "no managed worker has this id", Fix: "list them with: " + s.o.Command("list"),
		}
	case s.o.Explain != nil:
		return s.o.Explain(err)
	}
	return nil
}

func notFound() *api.Error {
	return &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Not found"}
}

func notReady() *api.Error {
	return &api.Error{
		Status: http.StatusServiceUnavailable, Code: api.CodeNotReady,
		Message: "the daemon is starting or stopping", Fix: "try again in a moment",
	}
}
