package openapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"pipedai/api"
)

// schema is a JSON Schema that keeps the order of members.
type schema struct {
	ref     string   // name of a component; everything but null is empty then
	kind    string   // JSON type; empty: any value
	null    bool     // null is allowed too
	format  string   // of a string
	enum    []string // of a string
	text    string   // what it means
	items   *schema  // of an array
	values  *schema  // of an object used as a map
	members []member // of an object
	minimum *float64
	maximum *float64
	above   *float64
	longest int    // of a string or array
	pattern string // of a string
	request bool   // an object that is sent, not answered
}

type member struct {
	name     string
	schema   *schema
	required bool
}

// MarshalJSON writes the JSON Schema.
func (s *schema) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	set := func(name string, value any, there bool) {
		if there {
			out[name] = value
		}
	}
	switch {
	case s.ref != "" && s.null:
		out["anyOf"] = []any{map[string]any{"$ref": "#/components/schemas/" + s.ref}, map[string]any{"type": "null"}}
	case s.ref != "":
		out["$ref"] = "#/components/schemas/" + s.ref
	case s.kind != "" && s.null:
		out["type"] = []string{s.kind, "null"}
	case s.kind != "":
		out["type"] = s.kind
	}
	set("description", s.text, s.text != "")
	set("format", s.format, s.format != "")
	set("items", s.items, s.items != nil)
	set("additionalProperties", s.values, s.values != nil)
	set("minimum", s.minimum, s.minimum != nil)
	set("maximum", s.maximum, s.maximum != nil)
	set("exclusiveMinimum", s.above, s.above != nil)
	set("maxLength", s.longest, s.longest > 0 && s.kind != "array")
	set("maxItems", s.longest, s.longest > 0 && s.kind == "array")
	set("pattern", s.pattern, s.pattern != "")
	if s.enum != nil {
		words := make([]any, 0, len(s.enum)+1)
		for _, word := range s.enum {
			words = append(words, word)
		}
		if s.null {
			words = append(words, nil)
		}
		out["enum"] = words
	}
	if s.kind == "object" && s.values == nil {
		properties, required := map[string]any{}, []string{}
		for _, m := range s.members {
			properties[m.name] = m.schema
			if m.required {
				required = append(required, m.name)
			}
		}
		out["properties"] = properties
		set("required", required, len(required) > 0)
	}
	return json.Marshal(out)
}

// schemas makes schemas of Go types and keeps those of named structs.
type schemas struct {
	comments Comments
	named    map[string]*schema
	order    []string             // names as they came up
	both     map[reflect.Type]int // 1: in requests, 2: in answers, 3: in both
}

func newSchemas(comments Comments) *schemas {
	return &schemas{comments: comments, named: map[string]*schema{}, both: map[reflect.Type]int{}}
}

var (
	timeType  = reflect.TypeFor[api.Time]()
	rawType   = reflect.TypeFor[json.RawMessage]()
	bytesType = reflect.TypeFor[[]byte]()
)

// note walks through a type, so that a struct that requests and answers share
// gets a name for each.
func (b *schemas) note(t reflect.Type, request bool) {
	bit := 2
	if request {
		bit = 1
	}
	switch {
	case t == timeType || t == rawType || t == bytesType:
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		b.note(t.Elem(), request)
	case t.Kind() == reflect.Struct && b.both[t]&bit == 0:
		b.both[t] |= bit
		for i := range t.NumField() {
			b.note(t.Field(i).Type, request)
		}
	}
}

// of returns the schema of a type, by reference where it is a named struct.
func (b *schemas) of(t reflect.Type, request bool) *schema {
	switch t {
	case timeType:
		return &schema{kind: "string", format: "date-time", null: true}
	case rawType:
		return &schema{}
	case bytesType:
		return &schema{kind: "string", format: "byte"} // base64
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := *b.of(t.Elem(), request)
		s.null = true
		return &s
	case reflect.Slice:
		return &schema{kind: "array", items: b.of(t.Elem(), request)}
	case reflect.Map:
		return &schema{kind: "object", values: b.of(t.Elem(), request)}
	case reflect.Bool:
		return &schema{kind: "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return &schema{kind: "integer"}
	case reflect.Float64:
		return &schema{kind: "number"}
	case reflect.String:
		return &schema{kind: "string"}
	case reflect.Struct:
		return &schema{ref: b.structure(t, request)}
	default: // any
		return &schema{}
	}
}

// structure makes the schema of a struct once and returns its name.
func (b *schemas) structure(t reflect.Type, request bool) string {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if request && b.both[t] == 3 && !strings.HasSuffix(name, "Request") {
		name += "Input"
	}
	if b.named[name] != nil {
		return name
	}
	s := &schema{kind: "object", text: b.comments[t.Name()].Text, request: request}
	b.named[name] = s // before its members, which may lead back here
	b.order = append(b.order, name)
	b.fields(s, t, request)
	return name
}

// fields adds the members of a struct; those of embedded ones are its own.
func (b *schemas) fields(s *schema, t reflect.Type, request bool) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			b.fields(s, field.Type, request)
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || name == "" {
			continue
		}
		value := *b.of(field.Type, request) // a copy: the texts are the member's
		omitted := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		note := b.comments[t.Name()].Members[name]
		if value.text = note.Text; value.kind == "string" && note.Values != nil {
			value.enum = note.Values
		}
		required := !omitted
		if omitted && !request {
			value.null = false // an empty one is not there
		}
		if request {
			rules := strings.Split(field.Tag.Get("validate"), ",")
			required = slices.Contains(rules, "required")
			value.limit(rules)
			value.null = !required // null reads as absent
			if value.kind == "" && value.ref == "" {
				value.null = false // anything is allowed already
			}
		}
		s.members = append(s.members, member{name, &value, required})
	}
}

// limit adds what the rules of the validator ask of a value.
func (s *schema) limit(rules []string) {
	for _, rule := range rules {
		if rule == "dive" {
			return // what follows is about the items
		}
		name, limit, _ := strings.Cut(rule, "=")
		number := func() *float64 {
			n, err := strconv.ParseFloat(limit, 64)
			if err != nil {
				return nil
			}
			return &n
		}
		switch {
		case name == "oneof":
			s.enum = strings.Fields(limit)
		case name == "url":
			s.format = "uri"
		case name == "sha256":
			s.pattern = "^[0-9a-f]{64}$"
		case name == "max" && (s.kind == "string" || s.kind == "array"):
			s.longest, _ = strconv.Atoi(limit) // a tag of ours; validator itself reads it
			if s.format == "byte" {            // it counts bytes, and here they are base64
				s.longest = (s.longest + 2) / 3 * 4
			}
		case name == "gte" || name == "min":
			s.minimum = number()
		case name == "lte" || name == "max":
			s.maximum = number()
		case name == "gt":
			s.above = number()
		}
	}
}
