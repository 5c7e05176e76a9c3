package httpkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/go-playground/validator/v10"

	"pipedai/api"
)

// defaultMaxBody is the limit of a Kit that names none.
const defaultMaxBody = 1 << 20

// Decode reads a JSON body into out and validates it: Body, then Bind.
func (k *Kit) Decode(w http.ResponseWriter, r *http.Request, out any) error {
	data, err := k.Body(w, r)
	if err != nil {
		return err
	}
	return Bind(data, out)
}

// Body reads the whole body, up to the limit; an empty one and null
// read as {}.
func (k *Kit) Body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := k.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	data, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &api.Error{
			Status: http.StatusRequestEntityTooLarge, Code: api.CodeTooLarge,
			Message: "Payload too large", Fix: fmt.Sprintf("send at most %d bytes", limit),
		}
	case err != nil:
		return nil, invalid("the body could not be read")
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 || string(data) == "null" {
		return []byte("{}"), nil
	}
	if k.Strict {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return nil, &api.Error{
				Status: http.StatusUnsupportedMediaType, Code: api.CodeUnsupportedType,
				Message: "the body must be JSON", Fix: "send Content-Type: application/json",
			}
		}
	}
	return data, nil
}

// trusted is how much memory a Content-Length alone is given.
const trusted = 64 << 10

// readAll is io.ReadAll for a body whose length the client told, or not (-1).
func readAll(body io.Reader, length int64) ([]byte, error) {
	data := make([]byte, 0, max(512, min(length+1, trusted)))
	for {
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			data = slices.Grow(data, len(data))
		}
	}
}

// Bind reads JSON into out, which points to a struct or a json.RawMessage, and
// validates it by the struct tags. It finds every problem, not only the first,
// and answers them as a tree (see Problems). Names are matched exactly, unknown
// members are ignored, and null means absent. A json.RawMessage in out is a part
// of data.
func Bind(data []byte, out any) error {
	if !json.Valid(data) {
		return malformed(data)
	}
	if deeper(data, maxDepth) {
		return invalid(fmt.Sprintf("the body is nested more than %d levels deep", maxDepth))
	}
	problems := NewProblems()
	members(data, reflect.ValueOf(out).Elem(), make([]string, 0, 8), problems)
	var fields validator.ValidationErrors
	var notStruct *validator.InvalidValidationError
	if err := rules().Struct(out); err != nil && !errors.As(err, &fields) && !errors.As(err, &notStruct) {
		return fmt.Errorf("validate %T: %w", out, err)
	}
	for _, f := range fields {
		// A member of the wrong type is zero by now; its type is the problem.
		if path := memberPath(f.Namespace()); !problems.has(path) {
			problems.Add(path, ruleText(f))
		}
	}
	return problems.Err()
}

func invalid(text string) *api.Error {
	return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Invalid request", Detail: text}
}

// malformed says where a text stops being JSON.
func malformed(data []byte) error {
	err := json.Unmarshal(data, new(any))
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return invalid("the body is not JSON")
	}
	before := data[:max(0, min(int(syntax.Offset), len(data))-1)] // Offset counts the byte that was wrong
	line := 1 + bytes.Count(before, []byte("\n"))
	return invalid(fmt.Sprintf("the body is not JSON: %s (line %d, byte %d)", syntax, line, syntax.Offset))
}

// maxDepth is how deep a body may be nested: no reader of ours, of the
// databases or of the workers has to go deeper on a stranger's word.
const maxDepth = 500

// deeper reports whether a valid JSON text is nested more than most levels.
func deeper(data []byte, most int) bool {
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) <= most {
		return false // the ordinary body, at next to no cost
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\\': // only texts have them
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > most {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// Int reads an integer query parameter within bounds; absent or empty is def.
func Int(r *http.Request, name string, def, low, high int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, invalid(fmt.Sprintf("%s must be a whole number from %d to %d", name, low, high))
	}
	return n, nil
}
