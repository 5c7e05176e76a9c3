package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Interface is a described HTTP interface.
type Interface struct {
	Title, Version string
	Intro          string // Markdown, above the routes
	Routes         []Route
	// Address is where examples call it.
	Address string
	// Declared says that whatever may have a body must be declared as JSON.
	Declared bool
	// Refusals are the errors that any route can answer, for the page.
	Refusals []Refusal
}

// Refusal is an error that any route can answer.
type Refusal struct {
	Status     int
	Code, When string // Code may list several, with ", "
}

// described is an interface with its schemas made.
type described struct {
	Interface
	schemas *schemas
	bodies  map[string]*schema            // by pattern
	answers map[string]map[string]*schema // by pattern and status
}

func (i Interface) describe() (*described, error) {
	texts, err := comments()
	if err != nil {
		return nil, err
	}
	var problems []error
	d := &described{Interface: i, schemas: newSchemas(texts), bodies: map[string]*schema{}, answers: map[string]map[string]*schema{}}
	for _, r := range i.Routes {
		problems = append(problems, r.check())
		if body := r.body(); body != nil {
			d.schemas.note(body, true)
		}
		for _, a := range r.answers() {
			if a.Body != nil {
				d.schemas.note(reflect.TypeOf(a.Body), false)
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	for _, r := range i.Routes {
		if body := r.body(); body != nil {
			d.bodies[r.Pattern] = d.schemas.of(body, true)
		}
		d.answers[r.Pattern] = map[string]*schema{}
		for _, a := range r.answers() {
			if a.Body != nil {
				d.answers[r.Pattern][strconv.Itoa(a.Status)] = d.schemas.of(reflect.TypeOf(a.Body), false)
			}
		}
	}
	return d, nil
}

// object is a JSON object; its members are written by name.
type object = map[string]any

// JSON returns the OpenAPI 3.1 document. It fails when a description lacks
// something.
func (i Interface) JSON() ([]byte, error) {
	d, err := i.describe()
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", i.Title, err)
	}
	paths := object{}
	tags, seen := []object{}, map[string]bool{}
	for _, r := range i.Routes {
		at, known := paths[r.path()].(object)
		if !known {
			at = object{}
			paths[r.path()] = at
		}
		at[strings.ToLower(r.method())] = d.operation(r)
		if tag := r.tag(); !seen[tag] {
			seen[tag] = true
			tags = append(tags, object{"name": tag})
		}
	}
	components := object{}
	for name, s := range d.schemas.named {
		components[name] = s
	}
	components["Error"] = failureSchema(nil)
	return json.Marshal(object{
		"openapi": "3.1.0",
		"info":    object{"title": i.Title, "version": i.Version, "description": i.Intro},
		"tags":    tags,
		"paths":   paths,
		"components": object{
			"schemas":         components,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
		},
	})
}

func (d *described) operation(r Route) object {
	out := object{"operationId": r.id(), "tags": []string{r.tag()}, "summary": r.Summary, "responses": d.responses(r)}
	text := r.Detail
	if r.Access != "" {
		text = strings.TrimSpace(text + " Who may call it: " + r.Access + ".")
		out["security"] = []object{{"token": []string{}}}
		if strings.Contains(r.Access, LocalAccess) {
			out["security"] = []object{{"token": []string{}}, {}}
		}
	}
	if text != "" {
		out["description"] = text
	}
	if params := r.params(); len(params) > 0 {
		list := []object{}
		for _, p := range params {
			list = append(list, p.object())
		}
		out["parameters"] = list
	}
	switch body := d.bodies[r.Pattern]; {
	case body != nil:
		media := object{"schema": body}
		if r.Example != "" {
			media["example"] = json.RawMessage(r.Example)
		}
		out["requestBody"] = object{"content": object{"application/json": media}}
	case r.BodyType != "":
		out["requestBody"] = object{"required": true, "content": object{r.BodyType: object{}}}
	}
	return out
}

// LocalAccess is in the Access of routes that need no token on a server that
// asks for none.
const LocalAccess = "local programs"

func (p Param) object() object {
	value := object{"type": "string"}
	switch p.Type {
	case "integer", "boolean":
		value["type"] = p.Type
	case "date-time":
		value["format"] = p.Type
	}
	if p.Enum != nil {
		value["enum"] = p.Enum
	}
	if p.Min != 0 || p.Max != 0 {
		value["minimum"], value["maximum"] = p.Min, p.Max
	}
	if p.Default != "" {
		value["default"] = json.RawMessage(p.Default)
		if p.Type != "integer" && p.Type != "boolean" {
			value["default"] = p.Default
		}
	}
	return object{"name": p.Name, "in": p.In, "required": p.In == "path", "description": p.Text, "schema": value}
}

func (d *described) responses(r Route) object {
	out := object{}
	for _, a := range r.answers() {
		response := object{"description": a.Text}
		if a.Type != "" {
			media := object{}
			if a.Body != nil {
				media["schema"] = d.answers[r.Pattern][strconv.Itoa(a.Status)]
			}
			content, _ := out[strconv.Itoa(a.Status)].(object)
			if content != nil { // the same status with another content type
				content["content"].(object)[a.Type] = media
				continue
			}
			response["content"] = object{a.Type: media}
		}
		out[strconv.Itoa(a.Status)] = response
	}
	for _, group := range grouped(r.failures()) {
		status := strconv.Itoa(group.Status)
		if out[status] != nil {
			continue // answered with a body of its own
		}
		var body any = object{"$ref": "#/components/schemas/Error"}
		if len(group.Members) > 0 {
			body = failureSchema(group.Members)
		}
		response := object{"description": group.Error, "content": object{"application/json": object{"schema": body}}}
		if group.Status == http.StatusServiceUnavailable || group.Status == http.StatusTooManyRequests {
			response["headers"] = object{"Retry-After": object{"description": "seconds until another try makes sense", "schema": object{"type": "integer"}}}
		}
		out[status] = response
	}
	return out
}

// grouped joins failures of one status.
func grouped(all []Failure) []Failure {
	var out []Failure
	for _, f := range all {
		if n := len(out); n > 0 && out[n-1].Status == f.Status {
			last := &out[n-1]
			last.Error += "; or " + f.Error
			for _, m := range f.Members {
				if !slices.Contains(last.Members, m) {
					last.Members = append(slices.Clone(last.Members), m)
				}
			}
			continue
		}
		out = append(out, f)
	}
	return out
}

// failureSchema is the shape of every error, with further members.
func failureSchema(extra []string) *schema {
	text := func(what string) *schema { return &schema{kind: "string", text: what} }
	s := &schema{kind: "object", text: "Every answer outside 2xx.", members: []member{
		{"error", text("one sentence for people, or the word that older clients look for"), true},
		{"code", text("for programs"), true},
		{"requestId", text("names the line in the server's log"), true},
		{"message", text("more of it"), false},
		{"fix", text("what helps"), false},
		{"details", &schema{text: "where in the request, and what"}, false},
	}}
	for _, name := range extra {
		s.members = append(s.members, member{name, &schema{}, false})
	}
	return s
}

// Patterns lists the patterns of the routes, for whoever checks a server.
func (i Interface) Patterns() []string {
	var out []string
	for _, r := range i.Routes {
		out = append(out, r.Pattern)
	}
	return out
}

// statusLine is "404 Not Found".
func statusLine(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }
