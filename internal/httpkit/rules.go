package httpkit

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"
)

// rules is the one validator of `validate` tags, built once: it caches what it
// learns about types, and names members as JSON does.
var rules = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(jsonName)
	return v
})

// memberPath turns "RegisterRequest.tasks[0].id" into [tasks 0 id]. The key of
// a map stands between brackets and may hold dots: "assets[a.pdf].path".
func memberPath(namespace string) []string {
	_, rest, _ := strings.Cut(namespace, ".")
	var path []string
	for rest != "" {
		end := strings.IndexAny(rest, ".[")
		switch {
		case end < 0:
			return append(path, rest)
		case end > 0:
			path = append(path, rest[:end])
		}
		if rest[end] == '.' {
			rest = rest[end+1:]
			continue
		}
		key, after, _ := strings.Cut(rest[end+1:], "]")
		path, rest = append(path, key), strings.TrimPrefix(after, ".")
	}
	return path
}

// ruleText says what a rule asks for, in the words clients know. max is used
// on texts and lists; numbers have lte.
func ruleText(f validator.FieldError) string {
	switch f.Tag() {
	case "required", "required_without":
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
		switch {
		case f.Type() == bytesType:
			return fmt.Sprintf("Must be at most %s bytes", f.Param())
		case f.Kind() == reflect.Slice:
			return fmt.Sprintf("Array must contain at most %s element(s)", f.Param())
		}
		return fmt.Sprintf("String must contain at most %s character(s)", f.Param())
	default:
		return "Invalid value"
	}
}

// lowerFirst makes the JSON name of a field's Go name, as rules mention it.
func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
