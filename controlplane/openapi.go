package controlplane

import (
	"errors"
	"fmt"
	"net/http"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/openapi"
)

// description is every route with what there is to know about it: who may use
// it and which types it reads and answers from the table of routes, the rest
// from the reference.
func (s *Server) description() openapi.Interface {
	about := reference()
	out := openapi.Interface{
		Title: "pipeweave", Version: s.o.Version, Intro: referenceIntro,
		Address: "http://127.0.0.1:3000", Refusals: refusals(),
	}
	if out.Version == "" {
		out.Version = "unknown"
	}
	for _, r := range s.routes() {
		route := openapi.Route{Pattern: r.pattern, About: about[r.pattern], Access: r.access.words()}
		if typed, ok := r.handler.(jsonHandler); ok {
			route.Body, route.Answer = typed.body, typed.answer
		}
		out.Routes = append(out.Routes, route)
	}
	return out
}

// undescribed names every route that the reference does not have, and every
// entry of the reference that is no route.
func (s *Server) undescribed() error {
	about := reference()
	var problems []error
	for _, r := range s.routes() {
		if _, known := about[r.pattern]; !known {
			problems = append(problems, fmt.Errorf("route %s is not in the reference", r.pattern))
		}
		delete(about, r.pattern)
	}
	for pattern := range about {
		problems = append(problems, fmt.Errorf("the reference has %s, which is no route", pattern))
	}
	return errors.Join(problems...)
}

// openapi answers GET /api/openapi.json.
func (s *Server) openapi(w http.ResponseWriter, r *http.Request) {
	document, err := s.described()
	if err != nil {
		s.fail(w, r, "Failed to describe the server", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document) // the client is gone; there is nobody to tell
}

// Reference returns the page that people read of the same description, in
// Markdown. It needs no server.
func Reference() (string, error) {
	s := &Server{kit: &httpkit.Kit{}}
	return s.description().Markdown()
}

// The errors that more than one route has, as the reference puts them.
var (
	pipelineMissing = openapi.Fail(http.StatusNotFound, "Pipeline not found", "pipelineId")
	serviceMissing  = openapi.Fail(http.StatusNotFound, "Service not found", "serviceId")
	taskMissing     = openapi.Fail(http.StatusNotFound, "Task not found", "taskId")
	runMissing      = openapi.Fail(http.StatusNotFound, "Run not found", "runId")
	letterMissing   = openapi.Fail(http.StatusNotFound, "DLQ item not found", "dlqId")
	workerMissing   = openapi.Fail(http.StatusNotFound, "Worker not found", "workerId")
	inputRefused    = openapi.Fail(http.StatusBadRequest, "Input validation failed", "validationErrors", "index")
	inMaintenance   = openapi.Fail(http.StatusServiceUnavailable, "Orchestrator is in maintenance mode")
)

// page are the parameters of a list that comes in pages.
func page(most int, more ...openapi.Param) []openapi.Param {
	return append(more,
		atMost(most),
		openapi.Param{Name: "offset", Text: "how many to leave out", Type: "integer", Default: "0", Min: 0, Max: 1<<31 - 1})
}

// atMost is the parameter that bounds how long an answer is.
func atMost(most int) openapi.Param {
	return openapi.Param{Name: "limit", Text: "how many at most", Type: "integer", Default: "100", Min: 1, Max: most}
}

// which is a parameter that narrows a list down.
func which(name, text string) openapi.Param {
	return openapi.Param{Name: name, Text: text, Type: "string"}
}

// since is a parameter that bounds the creation of what is listed.
func since(name, text string) openapi.Param {
	return openapi.Param{Name: name, Text: text + "; RFC 3339, or a date", Type: "date-time"}
}

// healthFailure is what GET /health says when the database does not answer.
type healthFailure struct {
	Status    string   `json:"status"`
	Error     string   `json:"error"`
	Timestamp api.Time `json:"timestamp"`
}
