package controlplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/go-playground/validator/v10"

	"pipedai/api"
)

// newValidator returns the validator of the `validate` tags in package api.
// It names members as JSON does.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(jsonName)
	return v
}

// bind fills out from a body and applies its rules. An empty body is an empty
// object. The error is an *api.Error with the validation tree.
func bind(v *validator.Validate, raw json.RawMessage, out any) error {
	problems := newTree()
	decode(raw, reflect.ValueOf(out).Elem(), nil, problems)
	var fields validator.ValidationErrors
	if err := v.Struct(out); err != nil && !errors.As(err, &fields) {
		return fmt.Errorf("validate %T: %w", out, err)
	}
	for _, f := range fields {
		// A member of the wrong type is zero by now; its type is the problem.
		if path := memberPath(f.Namespace()); !problems.has(path) {
			problems.add(path, ruleText(f))
		}
	}
	if problems.empty() {
		return nil
	}
	return invalid(problems)
}

func invalid(problems tree) *api.Error {
	return &api.Error{Status: 400, Message: "Invalid request", Code: api.CodeValidation, Details: problems}
}

// invalidField is the error for one member that a handler itself refuses.
func invalidField(text string, path ...string) *api.Error {
	problems := newTree()
	problems.add(path, text)
	return invalid(problems)
}

var indexes = regexp.MustCompile(`\[([^\]]*)\]`)

// memberPath turns "RegisterRequest.tasks[0].id" into [tasks 0 id].
func memberPath(namespace string) []string {
	_, rest, _ := strings.Cut(namespace, ".")
	rest = indexes.ReplaceAllString(rest, ".$1")
	return strings.Split(rest, ".")
}

// ruleText says what a rule asks for, in the words clients know.
func ruleText(f validator.FieldError) string {
	text := f.Kind() == reflect.String || f.Kind() == reflect.Slice
	switch f.Tag() {
	case "required":
		return "Required"
	case "required_without":
		return "Required"
	case "excluded_with":
		return "Must not be given together with " + lowerFirst(f.Param())
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
		if text {
			return fmt.Sprintf("String must contain at most %s character(s)", f.Param())
		}
		return "Number must be less than or equal to " + f.Param()
	default:
		return "Invalid value"
	}
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
