package inputschema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// deepest is how far fields may nest, most how many there may be in all,
	// longest how long one pattern may be, in bytes.
	deepest = 32
	most    = 2000
	longest = 4096
)

// Problem is something wrong with a schema, at a path of member names and
// indexes.
type Problem struct {
	Path []string
	Text string
}

// Parse reads a schema. It returns every problem it finds, or the schema. A
// pattern that is no expression is no problem: it is ignored, as clients do.
func Parse(data []byte) (*Schema, []Problem) {
	p := &parser{}
	v, ok := decode(data)
	if !ok {
		p.problem(nil, "Expected object, received string")
		return nil, p.problems
	}
	o, ok := v.(*object)
	if !ok {
		p.problem(nil, wanted("object", v))
		return nil, p.problems
	}
	raw := &rawSchema{Fields: []*rawField{}}
	s := &Schema{source: raw}
	if list := array(p, o, nil, "fields", true); list != nil {
		raw.Fields, s.fields = p.fields(*list, []string{"fields"}, 1)
	}
	raw.Strict = member[bool](p, o, nil, "strict", "boolean")
	s.strict = raw.Strict != nil && *raw.Strict
	if len(p.problems) > 0 {
		return nil, p.problems
	}
	return s, nil
}

type parser struct {
	problems []Problem
	count    int
}

func (p *parser) problem(path []string, text string) {
	if len(p.problems) < maxErrors {
		p.problems = append(p.problems, Problem{slices.Clone(path), text})
	}
}

func wanted(what string, v value) string {
	if v == absent {
		return "Required"
	}
	return fmt.Sprintf("Expected %s, received %s", what, kind(v))
}

// optional is a member that may be left out; null counts as left out.
func optional(o *object, name string) value {
	if v := o.get(name); v != nil {
		return v
	}
	return absent
}

// member reads an optional member of a simple type.
func member[T bool | string | float64](p *parser, o *object, path []string, name, what string) *T {
	v := optional(o, name)
	if v == absent {
		return nil
	}
	t, ok := v.(T)
	if !ok {
		p.problem(child(path, name), wanted(what, v))
		return nil
	}
	return &t
}

// text reads a required string.
func (p *parser) text(o *object, path []string, name string) string {
	v := o.get(name)
	s, ok := v.(string)
	if !ok {
		p.problem(child(path, name), wanted("string", v))
	}
	return s
}

// word reads a required string that is one of a few.
func (p *parser) word(o *object, path []string, name string, words []string) string {
	v := o.get(name)
	list := "'" + strings.Join(words, "' | '") + "'"
	s, ok := v.(string)
	switch {
	case !ok:
		p.problem(child(path, name), wanted(list, v))
	case !slices.Contains(words, s):
		p.problem(child(path, name), fmt.Sprintf("Invalid enum value. Expected %s, received '%s'", list, s))
	}
	return s
}

// above reads an optional number greater than 0.
func (p *parser) above(o *object, path []string, name string) *float64 {
	n := member[float64](p, o, path, name, "number")
	if n != nil && *n <= 0 {
		p.problem(child(path, name), "Number must be greater than 0")
	}
	return n
}

func array(p *parser, o *object, path []string, name string, required bool) *[]value {
	v := o.get(name)
	if !required {
		v = optional(o, name)
	}
	list, ok := v.([]value)
	switch {
	case ok:
		return &list
	case required || v != absent:
		p.problem(child(path, name), wanted("array", v))
	}
	return nil
}

func child(path []string, names ...string) []string {
	return append(path[:len(path):len(path)], names...)
}

// fields reads a list of them. Of two with one name the later counts, in the
// place of the first.
func (p *parser) fields(list []value, path []string, depth int) (raw []*rawField, ready []*field) {
	raw = []*rawField{}
	place := map[string]*field{}
	var names []string
	for i, v := range list {
		r, f := p.field(v, child(path, strconv.Itoa(i)), depth)
		if f == nil {
			continue
		}
		raw = append(raw, r)
		if _, twice := place[f.Name]; !twice {
			names = append(names, f.Name)
		}
		place[f.Name] = f
	}
	inOrder(names)
	for _, name := range names {
		ready = append(ready, place[name])
	}
	return raw, ready
}

func (p *parser) field(v value, path []string, depth int) (*rawField, *field) {
	o, ok := v.(*object)
	p.count++
	switch {
	case !ok:
		p.problem(path, wanted("object", v))
		return nil, nil
	case depth > deepest:
		p.problem(path, fmt.Sprintf("Fields must not nest deeper than %d", deepest))
		return nil, nil
	case p.count > most:
		if p.count == most+1 {
			p.problem(path, fmt.Sprintf("A schema must not have more than %d fields", most))
		}
		return nil, nil
	}
	r := &rawField{
		Name: p.text(o, path, "name"), Type: p.word(o, path, "type", types), Label: p.text(o, path, "label"),
		Description: member[string](p, o, path, "description", "string"),
		Placeholder: member[string](p, o, path, "placeholder", "string"),
		HelpText:    member[string](p, o, path, "helpText", "string"),
		Required:    member[bool](p, o, path, "required", "boolean"),
		MinLength:   p.above(o, path, "minLength"), MaxLength: p.above(o, path, "maxLength"),
		Min: member[float64](p, o, path, "min", "number"), Max: member[float64](p, o, path, "max", "number"),
		Pattern: member[string](p, o, path, "pattern", "string"),
		Accept:  member[string](p, o, path, "accept", "string"),
		MaxSize: p.above(o, path, "maxSize"),
	}
	f := &field{rawField: r, required: r.Required != nil && *r.Required}
	for name, n := range map[string]*float64{"minLength": r.MinLength, "maxLength": r.MaxLength, "min": r.Min, "max": r.Max, "maxSize": r.MaxSize} {
		if n != nil && *n-*n != 0 {
			p.problem(child(path, name), "Number is out of range")
		}
	}
	if v := o.get("default"); v != absent {
		r.Default = source(v)
	}
	if r.Pattern != nil {
		if len(*r.Pattern) > longest {
			p.problem(child(path, "pattern"), fmt.Sprintf("String must contain at most %d character(s)", longest))
		} else {
			f.pattern = compile(*r.Pattern)
		}
	}
	p.options(o, path, r, f)
	if v := optional(o, "items"); v != absent {
		r.Items, f.items = p.field(v, child(path, "items"), depth+1)
	}
	if list := array(p, o, path, "properties", false); list != nil {
		raw, ready := p.fields(*list, child(path, "properties"), depth+1)
		r.Properties, f.properties = &raw, ready
	}
	p.condition(o, path, r, f)
	return r, f
}

func (p *parser) options(o *object, path []string, r *rawField, f *field) {
	list := array(p, o, path, "options", false)
	if list == nil {
		return
	}
	raw := []rawOption{}
	f.texts = true
	for i, v := range *list {
		at := child(path, "options", strconv.Itoa(i))
		option, ok := v.(*object)
		if !ok {
			p.problem(at, wanted("object", v))
			continue
		}
		one := option.get("value")
		raw = append(raw, rawOption{Label: p.text(option, at, "label"), Value: source(one)})
		f.options = append(f.options, one)
		if _, isText := one.(string); !isText {
			f.texts = false
		}
	}
	r.Options = &raw
}

func (p *parser) condition(o *object, path []string, r *rawField, f *field) {
	v := optional(o, "showIf")
	if v == absent {
		return
	}
	at := child(path, "showIf")
	rule, ok := v.(*object)
	if !ok {
		p.problem(at, wanted("object", v))
		return
	}
	f.showIf = &condition{field: p.text(rule, at, "field"), operator: p.word(rule, at, "operator", operators), value: rule.get("value")}
	r.ShowIf = &rawShowIf{Field: f.showIf.field, Operator: f.showIf.operator, Value: source(f.showIf.value)}
}

// source is a value as JSON; nil for one that is absent. A number that no JSON
// can hold becomes null.
func source(v value) json.RawMessage {
	if v == absent {
		return nil
	}
	text := literal(v)
	if !json.Valid([]byte(text)) {
		return json.RawMessage("null")
	}
	return json.RawMessage(text)
}
