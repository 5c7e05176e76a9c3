package openapi

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Route is one line of a router's table with its description.
type Route struct {
	About
	Pattern string // as net/http has it: "GET /api/runs/{id}"
	Access  string // who may call it, as a sentence; empty: everybody
	Group   string // the heading it stands under; by default made from its path
	// Unavailable says what 503 means, where it is not the usual.
	Unavailable string
	// Body and Answer are the Go types of the JSON in the request and in the
	// 200 answer; nil for none. About can replace both.
	Body, Answer reflect.Type
}

// About is what the types of a route do not tell.
type About struct {
	Summary string // a line, without a full stop
	Detail  string // sentences that follow it
	Params  []Param
	// Body stands for the JSON body of a handler that reads it by itself: a
	// value of its type.
	Body any
	// BodyType is the content type of a body that is not JSON.
	BodyType string
	// Answers replace the one that the route's type implies: 200 with JSON, or
	// 204 without a type.
	Answers []Answer
	// Errors are the refusals of this route alone; those that every route of
	// its kind has are added.
	Errors []Failure
	// Example is a body that works; empty for a route without a body.
	Example string
}

// Param is a query parameter or header, or says what a wildcard of the path is.
type Param struct {
	Name, Text string
	In         string // "query" by default, "header"; wildcards are found by their names
	Type       string // "string" by default, "integer", "boolean", "date-time"
	Enum       []string
	Default    string
	Min, Max   int // of an integer; both 0: no bounds
}

// Answer is one way in which a route succeeds, or a failure with a body of its
// own.
type Answer struct {
	Status int    // 200 by default
	Text   string // what it means; the status text by default
	Type   string // content type; "application/json" by default
	Body   any    // a value of the type of a JSON answer; nil: bytes, or nothing with 204
}

// Failure is one refusal.
type Failure struct {
	Status int
	Error  string // the "error" member, or a text that says which it is
	// Members are further members of the body besides those every error has.
	Members []string
}

// Fail makes a Failure.
func Fail(status int, text string, members ...string) Failure {
	return Failure{Status: status, Error: text, Members: members}
}

func (r Route) method() string { m, _, _ := strings.Cut(r.Pattern, " "); return m }

// path is the path as OpenAPI spells it: {path...} has no form of its own there.
func (r Route) path() string {
	_, path, _ := strings.Cut(r.Pattern, " ")
	return strings.ReplaceAll(path, "...}", "}")
}

// ID names the operation: GET /api/runs/{id} is getApiRunsById.
func (r Route) id() string {
	out := strings.ToLower(r.method())
	for _, word := range idWord.FindAllString(r.path(), -1) {
		by := ""
		if strings.HasPrefix(word, "{") {
			by, word = "By", strings.Trim(word, "{}")
		}
		out += by + strings.ToUpper(word[:1]) + word[1:]
	}
	return out
}

var idWord = regexp.MustCompile(`\{?\w+\}?`)

// tag groups routes by the first word of their path that means something.
func (r Route) tag() string {
	if r.Group != "" {
		return r.Group
	}
	words := strings.Split(strings.Trim(r.path(), "/"), "/")
	hosts := len(words) > 1 && words[0] == "api" && words[1] == "v1"
	if words[0] == "api" && len(words) > 1 {
		words = words[1:]
	}
	if hosts {
		switch words = words[1:]; {
		case words[0] == "workers" && len(words) > 1 && words[1] == "self":
			return "workers (by themselves)"
		case words[0] == "workspaces":
			return "workers"
		}
	}
	switch words[0] {
	case "health", "info", "metrics", "stream", "openapi.json", "session", "maintenance":
		return "server"
	case "register":
		return "services"
	case "release-keys":
		return "releases"
	case "tick", "process":
		return "queue"
	case "heartbeat", "progress", "callback":
		return "reports of workers"
	case "task-runs":
		return "runs"
	case "upload":
		return "uploads"
	case "dlq":
		return "dead letters"
	}
	return words[0]
}

// params are the parameters in the order path, query, header.
func (r Route) params() []Param {
	var out []Param
	for _, name := range wildcard.FindAllStringSubmatch(r.Pattern, -1) {
		p := Param{Name: name[1], Text: "which one"}
		for _, said := range r.Params {
			if said.Name == p.Name && said.In == "" {
				p = said
			}
		}
		p.In = "path"
		out = append(out, p)
	}
	for _, p := range r.Params {
		if slices.ContainsFunc(out, func(known Param) bool { return known.In == "path" && known.Name == p.Name }) {
			continue
		}
		if p.In == "" {
			p.In = "query"
		}
		out = append(out, p)
	}
	return out
}

var wildcard = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

func (r Route) hasQuery() bool {
	return slices.ContainsFunc(r.params(), func(p Param) bool { return p.In == "query" && p.Type != "" })
}

// body is the type of the JSON body, nil for none.
func (r Route) body() reflect.Type {
	if r.About.Body != nil {
		return reflect.TypeOf(r.About.Body)
	}
	return r.Body
}

// answers are the answers of the route that are no errors of the common shape.
func (r Route) answers() []Answer {
	out := slices.Clone(r.Answers)
	if len(out) == 0 {
		if r.Answer == nil {
			return []Answer{{Status: http.StatusNoContent, Text: "done"}}
		}
		out = []Answer{{Body: reflect.Zero(r.Answer).Interface()}}
	}
	for i := range out {
		if out[i].Status == 0 {
			out[i].Status = http.StatusOK
		}
		if out[i].Type == "" && out[i].Body == nil && r.Answer != nil {
			out[i].Body = reflect.Zero(r.Answer).Interface()
		}
		if out[i].Type == "" && out[i].Body != nil {
			out[i].Type = "application/json"
		}
		if out[i].Text == "" {
			out[i].Text = strings.ToLower(http.StatusText(out[i].Status))
		}
	}
	return out
}

// failures are the refusals of the route: those of its kind and its own, by
// status.
func (r Route) failures() []Failure {
	out := []Failure{
		{Status: http.StatusForbidden, Error: "the Host or Origin is not this server's"},
		{Status: http.StatusInternalServerError, Error: "an internal error; the log has it under the request id"},
		{Status: http.StatusServiceUnavailable, Error: cmp.Or(r.Unavailable, "the database does not answer or takes no writes now, or the server is starting: try again after Retry-After")},
	}
	if r.Access != "" {
		out[0].Error = "the token does not allow this, or the Host or Origin is not this server's"
		out = append(out,
			Failure{Status: http.StatusUnauthorized, Error: "unauthorized"},
			Failure{Status: http.StatusTooManyRequests, Error: "rate_limited"})
	}
	if r.body() != nil || r.BodyType != "" {
		out = append(out,
			Failure{Status: http.StatusBadRequest, Error: "Invalid request"},
			Failure{Status: http.StatusRequestEntityTooLarge, Error: "Payload too large"})
	} else if r.hasQuery() {
		out = append(out, Failure{Status: http.StatusBadRequest, Error: "Invalid request"})
	}
	out = append(out, r.Errors...)
	slices.SortStableFunc(out, func(a, b Failure) int { return a.Status - b.Status })
	return out
}

// check finds what a description lacks.
func (r Route) check() error {
	switch {
	case r.Summary == "":
		return fmt.Errorf("%s has no summary", r.Pattern)
	case strings.HasSuffix(r.Summary, "."):
		return fmt.Errorf("%s: a summary is a line without a full stop", r.Pattern)
	case r.body() != nil && r.body().Kind() == reflect.Slice && r.About.Body == nil:
		return fmt.Errorf("%s reads its body by itself: the description must say what is in it (Body)", r.Pattern)
	}
	for _, p := range r.Params {
		if p.Text == "" {
			return fmt.Errorf("%s: parameter %s has no text", r.Pattern, p.Name)
		}
	}
	return nil
}
