package controlplane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// tree is the validation tree of an error body: "_errors" holds the texts for
// the node itself, every other member one offending child.
type tree map[string]any

func newTree() tree { return tree{"_errors": []string{}} }

// empty reports whether nothing was found wrong.
func (t tree) empty() bool { return len(t) == 1 && len(t["_errors"].([]string)) == 0 }

// add notes a problem at a path of member names and array indexes.
func (t tree) add(path []string, text string) {
	for _, name := range path {
		child, known := t[name].(tree)
		if !known {
			child = newTree()
			t[name] = child
		}
		t = child
	}
	t["_errors"] = append(t["_errors"].([]string), text)
}

// has reports whether something is already noted at path, below it, or about
// something it lies in.
func (t tree) has(path []string) bool {
	for _, name := range path {
		if len(t["_errors"].([]string)) > 0 {
			return true
		}
		child, known := t[name].(tree)
		if !known {
			return false
		}
		t = child
	}
	return true
}

var (
	rawType         = reflect.TypeFor[json.RawMessage]()
	unmarshalerType = reflect.TypeFor[json.Unmarshaler]()
)

// decode reads a JSON value into out, member by member, and collects every
// problem instead of stopping at the first. Null is the same as absent,
// unknown members are ignored, and names are matched exactly. What is noted
// wrong keeps its zero value. The caller has checked that raw is valid JSON.
func decode(raw json.RawMessage, out reflect.Value, path []string, problems tree) {
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
		decode(raw, fresh.Elem(), path, problems)
		if !problems.has(path) {
			out.Set(fresh)
		}
		return
	case reflect.PointerTo(out.Type()).Implements(unmarshalerType):
		if got := kindOf(raw); got != "string" {
			problems.add(path, "Expected string, received "+got)
		} else if err := out.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw); err != nil {
			problems.add(path, "Invalid datetime")
		}
		return
	}

	want := wantedKind(out.Kind())
	if got := kindOf(raw); got != want {
		problems.add(path, fmt.Sprintf("Expected %s, received %s", want, got))
		return
	}
	switch out.Kind() {
	case reflect.Struct:
		members := map[string]json.RawMessage{}
		_ = json.Unmarshal(raw, &members) // valid and an object
		decodeMembers(members, out, path, problems)
	case reflect.Map:
		members := map[string]json.RawMessage{}
		_ = json.Unmarshal(raw, &members)
		out.Set(reflect.MakeMapWithSize(out.Type(), len(members)))
		for name, value := range members {
			item := reflect.New(out.Type().Elem()).Elem()
			decode(value, item, child(path, name), problems)
			out.SetMapIndex(reflect.ValueOf(name).Convert(out.Type().Key()), item)
		}
	case reflect.Slice:
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items)
		out.Set(reflect.MakeSlice(out.Type(), len(items), len(items)))
		for i, value := range items {
			at := child(path, strconv.Itoa(i))
			if string(bytes.TrimSpace(value)) == "null" { // an item cannot be absent
				problems.add(at, fmt.Sprintf("Expected %s, received null", wantedKind(out.Type().Elem().Kind())))
				continue
			}
			decode(value, out.Index(i), at, problems)
		}
	default:
		decodeScalar(raw, out, path, problems)
	}
}

func decodeScalar(raw json.RawMessage, out reflect.Value, path []string, problems tree) {
	switch out.Kind() {
	case reflect.Int, reflect.Int64:
		number, err := strconv.ParseFloat(string(raw), 64)
		switch {
		case err != nil || math.Abs(number) > 1<<53:
			problems.add(path, "Number is out of range")
		case number != math.Trunc(number):
			problems.add(path, "Expected integer, received float")
		default:
			out.SetInt(int64(number))
		}
	case reflect.Float64:
		number, err := strconv.ParseFloat(string(raw), 64)
		if err != nil {
			problems.add(path, "Number is out of range")
			return
		}
		out.SetFloat(number)
	case reflect.String:
		var text string
		_ = json.Unmarshal(raw, &text)
		if strings.ContainsRune(text, 0) { // no database column takes it
			problems.add(path, "String must not contain NUL")
			return
		}
		out.SetString(text)
	case reflect.Bool:
		out.SetBool(string(raw) == "true")
	}
}

func decodeMembers(members map[string]json.RawMessage, out reflect.Value, path []string, problems tree) {
	for i := range out.NumField() {
		field := out.Type().Field(i)
		if field.Anonymous {
			decodeMembers(members, out.Field(i), path, problems)
			continue
		}
		name := jsonName(field)
		if value, present := members[name]; present && name != "" {
			decode(value, out.Field(i), child(path, name), problems)
		}
	}
}

// child appends without sharing the array between siblings.
func child(path []string, name string) []string {
	return append(path[:len(path):len(path)], name)
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// kindOf names the type of a JSON value as error texts do.
func kindOf(raw json.RawMessage) string {
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
