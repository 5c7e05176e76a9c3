package httpkit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

var (
	rawType         = reflect.TypeFor[json.RawMessage]()
	bytesType       = reflect.TypeFor[[]byte]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
)

// members reads a JSON value into out, member by member, and collects every
// problem instead of stopping at the first. Null is the same as absent,
// unknown members are ignored, and names are matched exactly. What is noted
// wrong keeps its zero value. The caller has checked that raw is valid JSON.
//
// Siblings share the array of path, one after the other: nobody keeps it.
func members(raw json.RawMessage, out reflect.Value, path []string, problems Problems) {
	raw = bytes.TrimSpace(raw)
	if raw[0] == 'n' {
		return
	}
	switch {
	case out.Type() == rawType:
		out.SetBytes(raw[:len(raw):len(raw)]) // a part of the body, which is read once and by nobody else
		return
	case out.Kind() == reflect.Pointer:
		fresh := reflect.New(out.Type().Elem())
		members(raw, fresh.Elem(), path, problems)
		if !problems.has(path) {
			out.Set(fresh)
		}
		return
	case out.Type() == bytesType:
		if got := Kind(raw); got != "string" {
			problems.Add(path, "Expected string, received "+got)
		} else if data, err := base64.StdEncoding.DecodeString(text(raw)); err != nil {
			problems.Add(path, "Invalid base64")
		} else {
			out.SetBytes(data)
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
		structMembers(raw, out, path, problems)
	case reflect.Map:
		out.Set(reflect.MakeMap(out.Type()))
		eachMember(raw, func(quoted, value json.RawMessage) {
			name := text(quoted)
			item := reflect.New(out.Type().Elem()).Elem()
			members(value, item, append(path, name), problems)
			out.SetMapIndex(reflect.ValueOf(name).Convert(out.Type().Key()), item)
		})
	case reflect.Slice:
		n := 0
		eachItem(raw, func(json.RawMessage) { n++ })
		out.Set(reflect.MakeSlice(out.Type(), n, n))
		n = 0
		eachItem(raw, func(value json.RawMessage) {
			at := append(path, strconv.Itoa(n))
			if value[0] == 'n' { // an item cannot be absent
				problems.Add(at, fmt.Sprintf("Expected %s, received null", wantedKind(out.Type().Elem().Kind())))
			} else {
				members(value, out.Index(n), at, problems)
			}
			n++
		})
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
		value := text(raw)
		if strings.IndexByte(value, 0) >= 0 { // no database column takes it
			problems.Add(path, "String must not contain NUL")
			return
		}
		out.SetString(value)
	case reflect.Bool:
		out.SetBool(string(raw) == "true")
	default:
		// No request has one. Should one come, it must not be dropped in silence.
		problems.Add(path, "Unsupported type")
	}
}

// structMembers reads the members that the fields of a struct name; those of
// embedded structs count as its own. The last of several with one name counts.
func structMembers(object json.RawMessage, out reflect.Value, path []string, problems Problems) {
	known := fieldsOf(out.Type())
	var few [24]json.RawMessage
	found := few[:]
	if len(known) > len(few) {
		found = make([]json.RawMessage, len(known))
	}
	eachMember(object, func(quoted, value json.RawMessage) {
		for i := range known {
			if isText(quoted, known[i].name) {
				found[i] = value
				return
			}
		}
	})
	for i, field := range known {
		if value := found[i]; value != nil && value[0] != 'n' {
			members(value, out.FieldByIndex(field.index), append(path, field.name), problems)
		}
	}
}

// field is one member that a struct reads.
type field struct {
	name  string
	index []int
}

// fields holds what fieldsOf found out, by reflect.Type: one entry for each type of
// request there is.
var fields sync.Map

func fieldsOf(t reflect.Type) []field {
	if known, ok := fields.Load(t); ok {
		return known.([]field) //nolint:forcetypeassert // only fieldsOf stores here
	}
	var out []field
	for _, f := range reflect.VisibleFields(t) {
		if name := jsonName(f); name != "" && !f.Anonymous {
			out = append(out, field{name, f.Index})
		}
	}
	fields.Store(t, out)
	return out
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
