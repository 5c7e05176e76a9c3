package httpkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

var (
	rawType         = reflect.TypeFor[json.RawMessage]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
)

// members reads a JSON value into out, member by member, and collects every
// problem instead of stopping at the first. Null is the same as absent,
// unknown members are ignored, and names are matched exactly. What is noted
// wrong keeps its zero value. The caller has checked that raw is valid JSON.
func members(raw json.RawMessage, out reflect.Value, path []string, problems Problems) {
	raw = bytes.TrimSpace(raw)
	if string(raw) == "null" {
		return
	}
	switch {
	case out.Type() == rawType:
		out.SetBytes(bytes.Clone(raw))
		return
	case out.Kind() == reflect.Pointer:
		fresh := reflect.New(out.Type().Elem())
		members(raw, fresh.Elem(), path, problems)
		if !problems.has(path) {
			out.Set(fresh)
		}
		return
	case reflect.PointerTo(out.Type()).Implements(unmarshalerType):
		if got := Kind(raw); got != "string" {
			problems.Add(path, "Expected string, received "+got)
		} else if err := out.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw); err != nil {
			problems.Add(path, "Invalid datetime")
		}
		return
	}

	want := wantedKind(out.Kind())
	if got := Kind(raw); got != want {
		problems.Add(path, fmt.Sprintf("Expected %s, received %s", want, got))
		return
	}
	switch out.Kind() {
	case reflect.Struct:
		object := map[string]json.RawMessage{}
		_ = json.Unmarshal(raw, &object) // valid and an object
		structMembers(object, out, path, problems)
	case reflect.Map:
		object := map[string]json.RawMessage{}
		_ = json.Unmarshal(raw, &object)
		out.Set(reflect.MakeMapWithSize(out.Type(), len(object)))
		for name, value := range object {
			item := reflect.New(out.Type().Elem()).Elem()
			members(value, item, Child(path, name), problems)
			out.SetMapIndex(reflect.ValueOf(name).Convert(out.Type().Key()), item)
		}
	case reflect.Slice:
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items)
		out.Set(reflect.MakeSlice(out.Type(), len(items), len(items)))
		for i, value := range items {
			at := Child(path, strconv.Itoa(i))
			if string(bytes.TrimSpace(value)) == "null" { // an item cannot be absent
				problems.Add(at, fmt.Sprintf("Expected %s, received null", wantedKind(out.Type().Elem().Kind())))
				continue
			}
			members(value, out.Index(i), at, problems)
		}
	default:
		scalar(raw, out, path, problems)
	}
}

// scalar reads a value whose JSON type is the wanted one already.
func scalar(raw json.RawMessage, out reflect.Value, path []string, problems Problems) {
	switch out.Kind() {
	case reflect.Int, reflect.Int64:
		// 7.0 and 1e3 are whole numbers in JSON; beyond 2^53 clients round.
		number, err := strconv.ParseFloat(string(raw), 64)
		switch {
		case err != nil || math.Abs(number) > 1<<53 || out.OverflowInt(int64(number)):
			problems.Add(path, "Number is out of range")
		case number != math.Trunc(number):
			problems.Add(path, "Expected integer, received float")
		default:
			out.SetInt(int64(number))
		}
	case reflect.Float64:
		number, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			problems.Add(path, "Number is out of range")
			return
		}
		out.SetFloat(number)
	case reflect.String:
		var text string
		_ = json.Unmarshal(raw, &text)
		if strings.ContainsRune(text, 0) { // no database column takes it
			problems.Add(path, "String must not contain NUL")
			return
		}
		out.SetString(text)
	case reflect.Bool:
		out.SetBool(string(raw) == "true")
	default:
		// No request has one. Should one come, it must not be dropped in silence.
		problems.Add(path, "Unsupported type")
	}
}

// structMembers reads the members that the fields of a struct name; those of
// embedded structs count as its own.
func structMembers(object map[string]json.RawMessage, out reflect.Value, path []string, problems Problems) {
	for i := range out.NumField() {
		field := out.Type().Field(i)
		if field.Anonymous {
			structMembers(object, out.Field(i), path, problems)
			continue
		}
		name := jsonName(field)
		if value, present := object[name]; present && name != "" {
			members(value, out.Field(i), Child(path, name), problems)
		}
	}
}

// Child is the path of a member. It appends without sharing the array between
// siblings.
func Child(path []string, name string) []string {
	return append(path[:len(path):len(path)], name)
}

// jsonName is the name of a field in JSON; empty for one that is not there.
func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// Kind names the type of a JSON value, which is not empty, as error texts do.
func Kind(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

// wantedKind names the JSON type that a Go type is read from.
func wantedKind(kind reflect.Kind) string {
	switch kind {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "array"
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	default:
		return "number"
	}
}
