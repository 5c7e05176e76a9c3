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
	"strconv"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"

	"pipedai/api"
)

const defaultMaxBody = 1 << 20

// Decode reads a JSON body into out and validates it. No body reads as {}.
// null members read as absent ones.
func (k *Kit) Decode(w http.ResponseWriter, r *http.Request, out any) error {
	data, err := k.Body(w, r)
	if err != nil {
		return err
	}
	return k.Unmarshal(data, out)
}

// Body reads the whole body, up to the limit; an empty one reads as {}.
func (k *Kit) Body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := k.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
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
	if len(data) == 0 {
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

// Unmarshal decodes and validates JSON that was read already.
func (k *Kit) Unmarshal(data []byte, out any) error {
	if err := json.Unmarshal(data, out); err != nil {
		return describe(data, err)
	}
	err := validate().Struct(out)
	var fields validator.ValidationErrors
	var notStruct *validator.InvalidValidationError
	switch {
	case err == nil, errors.As(err, &notStruct):
		return nil
	case errors.As(err, &fields):
		tree := node{}
		for _, f := range fields {
			tree.add(path(f.Namespace()), message(f))
		}
		return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Invalid request", Details: tree}
	default:
		return err
	}
}

func invalid(text string) *api.Error {
	return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Invalid request", Detail: text}
}

// describe says what is wrong with JSON that does not decode: where it is
// malformed, or which member has another type than expected.
func describe(data []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		tree := node{}
		var at []string
		if kind.Field != "" {
			at = strings.Split(kind.Field, ".")
		}
		got := strings.Fields(kind.Value + " ")[0]
		tree.add(at, fmt.Sprintf("Expected %s, received %s", jsonKind(kind.Type), jsonWord(got)))
		return &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Invalid request", Details: tree}
	case errors.As(err, &syntax):
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		return invalid(fmt.Sprintf("the body is not JSON: %s (line %d, byte %d)", syntax, line, syntax.Offset))
	default:
		return invalid("the body is not JSON: " + err.Error())
	}
}

func jsonWord(word string) string {
	if word == "bool" {
		return "boolean"
	}
	return word
}

func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Pointer:
		return jsonKind(t.Elem())
	default:
		return "number"
	}
}

// validate is the one validator, built once: it caches what it learns about
// types, and names members as JSON does.
var validate = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	return v
})

// message words one failed rule as clients know it.
func message(f validator.FieldError) string {
	switch f.Tag() {
	case "required", "required_without":
		return "Required"
	case "url":
		return "Invalid url"
	case "oneof":
		options := strings.Fields(f.Param())
		return fmt.Sprintf("Invalid enum value. Expected '%s', received '%v'", strings.Join(options, "' | '"), f.Value())
	case "gt":
		return "Number must be greater than " + f.Param()
	case "gte":
		return "Number must be greater than or equal to " + f.Param()
	case "lte":
		return "Number must be less than or equal to " + f.Param()
	case "max":
		return "String must contain at most " + f.Param() + " character(s)"
	case "excluded_with":
		return "Send this or " + f.Param() + ", not both"
	default:
		return "Invalid value (" + f.Tag() + ")"
	}
}

// path splits a validator's namespace, "Type.tasks[0].id", into its members.
func path(namespace string) []string {
	_, rest, _ := strings.Cut(namespace, ".")
	rest = strings.NewReplacer("[", ".", "]", "").Replace(rest)
	return strings.Split(rest, ".")
}

// node is the tree in which clients expect validation errors: every level has
// _errors, and a member per child that has some.
type node map[string]any

func (n node) add(at []string, text string) {
	if n["_errors"] == nil {
		n["_errors"] = []string{}
	}
	if len(at) == 0 {
		list, _ := n["_errors"].([]string)
		n["_errors"] = append(list, text)
		return
	}
	child, ok := n[at[0]].(node)
	if !ok {
		child = node{}
		n[at[0]] = child
	}
	child.add(at[1:], text)
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
