package httpkit

import (
	"fmt"
	"reflect"
	"regexp"
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
