// Package apicheck holds the answers of an HTTP server against its own OpenAPI
// document: a route, a status, a content type or a member that the document
// does not have is a fault. Tests put it around the real handler.
//
// The document leaves objects open for members to come; here they are closed,
// so that a server says nothing undocumented.
package apicheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Checker knows a document. It is safe for concurrent use.
type Checker struct {
	// Exact says that a path with a slash too many is another path, for servers
	// that hold it so. Set it before the first check.
	Exact bool

	routes   *http.ServeMux
	paths    map[string]map[string]operation
	compiler *jsonschema.Compiler
	mu       sync.Mutex // guards compiler and compiled
	compiled map[string]*jsonschema.Schema
}

type operation struct {
	Responses map[string]struct {
		Content map[string]struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"content"`
	} `json:"responses"`
	RequestBody struct {
		Content map[string]struct {
			Example json.RawMessage `json:"example"`
		} `json:"content"`
	} `json:"requestBody"`
}

const location = "https://test.invalid/openapi.json"

// New reads a document, and refuses one whose schemas do not hold together or
// whose examples do not fit them.
func New(document []byte) (*Checker, error) {
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	var known struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(document, &known); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	closeObjects(whole)
	c := &Checker{
		routes: http.NewServeMux(), paths: known.Paths,
		compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{},
	}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(location, whole); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	for path, operations := range known.Paths {
		for method, op := range operations {
			pattern := path
			if strings.HasPrefix(path, "/api/storage/{") { // the one wildcard that spans slashes
				pattern = strings.TrimSuffix(path, "}") + "...}"
			}
			c.routes.Handle(strings.ToUpper(method)+" "+pattern, named(path))
			if err := c.examples(path, method, op); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// named is a route that only stands for its path in the document.
type named string

func (named) ServeHTTP(http.ResponseWriter, *http.Request) {}

// examples checks the bodies that the document shows.
func (c *Checker) examples(path, method string, op operation) error {
	example := op.RequestBody.Content["application/json"].Example
	if example == nil {
		return nil
	}
	at := pointer("paths", path, method, "requestBody", "content", "application/json", "schema")
	if err := c.validate(at, example); err != nil {
		return fmt.Errorf("the example of %s %s: %w", strings.ToUpper(method), path, err)
	}
	return nil
}

// Check holds one answer against the document.
func (c *Checker) Check(method, path string, status int, header http.Header, body []byte) error {
	fault := func(format string, args ...any) error {
		return fmt.Errorf("%s %s answered %d: %s", method, path, status, fmt.Sprintf(format, args...))
	}
	route, op := c.find(method, path)
	if strings.HasPrefix(path, "/cap/") && status == http.StatusNotFound {
		route = "" // a wrong capability leads nowhere
	}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")) // none is ""
	if route == "" {
		// The guard, a path that is no route, or a page.
		switch {
		case status >= http.StatusBadRequest:
			if method == http.MethodHead || kind != "application/json" && !strings.HasPrefix(path, "/api/") {
				return nil // without a body, or a page's own
			}
			if err := c.validate(pointer("components", "schemas", "Error"), body); err != nil {
				return fault("%v", err)
			}
		case method != http.MethodGet && method != http.MethodHead, strings.HasPrefix(path, "/api/"):
			return fault("the route is not documented")
		}
		return nil
	}
	response, known := op.Responses[strconv.Itoa(status)]
	if !known {
		return fault("%s documents no such status: %.300s", route, body)
	}
	if status == http.StatusSwitchingProtocols {
		return nil // what follows is no answer
	}
	if len(response.Content) == 0 {
		if len(body) > 0 {
			return fault("%s documents an answer without a body, not %.300s", route, body)
		}
		return nil
	}
	content, known := response.Content[kind]
	if !known {
		return fault("%s documents no content type %q", route, kind)
	}
	if content.Schema == nil || method == http.MethodHead {
		return nil
	}
	name := strings.ToLower(method)
	if err := c.validate(pointer("paths", route, name, "responses", strconv.Itoa(status), "content", kind, "schema"), body); err != nil {
		return fault("%v", err)
	}
	return nil
}

// find returns the documented path of a request, as servers match it: slashes
// that repeat or end it do not count, nor does the case of its words.
func (c *Checker) find(method, path string) (string, operation) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for !c.Exact && strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	if rest, capability := strings.CutPrefix(path, "/cap/"); capability {
		_, rest, _ = strings.Cut(rest, "/")
		path = "/" + rest
	}
	if len(path) > 1 && !c.Exact {
		path = strings.TrimSuffix(path, "/")
	}
	r, err := http.NewRequest(method, "http://test.invalid"+strings.ToLower(path), nil)
	if err != nil {
		return "", operation{}
	}
	handler, pattern := c.routes.Handler(r)
	route, isRoute := handler.(named)
	if pattern == "" || !isRoute {
		return "", operation{}
	}
	return string(route), c.paths[string(route)][strings.ToLower(method)]
}

func (c *Checker) validate(at string, body []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is not JSON: %.300s", body)
	}
	c.mu.Lock()
	schema := c.compiled[at]
	if schema == nil {
		if schema, err = c.compiler.Compile(location + "#" + at); err == nil {
			c.compiled[at] = schema
		}
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("compile the schema: %w", err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%w in %.600s", err, body)
	}
	return nil
}

// pointer is a JSON pointer as the fragment of a URL.
func pointer(segments ...string) string {
	var out strings.Builder
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	for _, s := range segments {
		out.WriteString("/" + escape.Replace(s))
	}
	return out.String()
}

// closeObjects forbids members that a schema does not name.
func closeObjects(node any) {
	switch node := node.(type) {
	case map[string]any:
		_, lists := node["properties"].(map[string]any)
		_, says := node["additionalProperties"]
		if kind := node["type"]; lists && !says && kind != nil {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closeObjects(child)
		}
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	}
}

// Wrap serves with next and reports every answer that does not fit. Bodies of
// event streams are not kept.
func (c *Checker) Wrap(next http.Handler, report func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &recorder{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		if seen.status == 0 {
			if r.Context().Err() != nil {
				return // the caller left, and nothing was said
			}
			seen.status = http.StatusOK
		}
		if err := c.Check(r.Method, r.URL.EscapedPath(), seen.status, w.Header(), seen.body.Bytes()); err != nil {
			report(err)
		}
	})
}

// recorder keeps what is answered.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if kind := r.Header().Get("Content-Type"); strings.HasPrefix(kind, "application/json") {
		r.body.Write(data)
	}
	return r.ResponseWriter.Write(data)
}

var _ io.Writer = (*recorder)(nil)
