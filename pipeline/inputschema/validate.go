package inputschema

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Error is one thing wrong with an input.
type Error struct {
	Field   string // dotted path, indexes as numbers; empty for the whole input
	Message string
	Code    string
}

// maxErrors bounds what is said about one input or schema.
const maxErrors = 1000

// The codes of errors.
const (
	codeType      = "invalid_type"
	codeString    = "invalid_string"
	codeSmall     = "too_small"
	codeBig       = "too_big"
	codeDate      = "invalid_date"
	codeEnum      = "invalid_enum_value"
	codeLiteral   = "invalid_literal"
	codeUnion     = "invalid_union"
	codeUnknown   = "unrecognized_keys"
	codeSchema    = "invalid_schema"
	codeUploadBad = "invalid_upload"
)

// Unusable is the error for every input of a task whose stored schema cannot
// be read.
func Unusable() []Error {
	return []Error{{Field: "_schema", Message: "Invalid input schema", Code: codeSchema}}
}

// BadUpload is the error for a field that names an upload which cannot be
// used.
func BadUpload(field, message string) Error { return Error{field, message, codeUploadBad} }

// Validate returns what is wrong with an input, in the order of the fields;
// nothing when it fits. An empty input counts as absent. Of very many errors
// only the first are returned. The budget may be shared by several calls; nil
// is one of its own.
func (s *Schema) Validate(input []byte, b *Budget) []Error {
	if b == nil {
		b = NewBudget()
	}
	var root value = absent
	if len(input) > 0 {
		v, ok := decode(input)
		if !ok {
			return []Error{{Message: "Expected object, received string", Code: codeType}}
		}
		root = v
	}
	c := &check{budget: b}
	o, ok := root.(*object)
	if !ok {
		c.fail(nil, wanted("object", root), codeType)
		return c.errors
	}
	c.object(s.fields, o, nil)
	if s.strict {
		c.unknown(s.fields, o)
	}
	return c.errors
}

// check collects the errors of one input.
type check struct {
	errors []Error
	budget *Budget
}

func (c *check) fail(path []string, message, code string) {
	if len(c.errors) < maxErrors {
		c.errors = append(c.errors, Error{strings.Join(path, "."), message, code})
	}
}

func (c *check) full() bool { return len(c.errors) >= maxErrors }

func (c *check) object(fields []*field, o *object, path []string) {
	for _, f := range fields {
		if c.full() {
			return
		}
		if f.showIf != nil && !f.showIf.holds(o) {
			continue
		}
		c.field(f, o.get(f.Name), child(path, f.Name))
	}
}

func (c *check) unknown(fields []*field, o *object) {
	known := map[string]bool{}
	for _, f := range fields {
		known[f.Name] = true
	}
	var extra []string
	for _, name := range o.keys {
		if !known[name] {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		inOrder(extra)
		extra = extra[:min(len(extra), maxErrors)]
		c.fail(nil, "Unrecognized key(s) in object: '"+strings.Join(extra, "', '")+"'", codeUnknown)
	}
}

// field checks one field. One that is not required may be absent, whatever
// its default is: tasks get the input as it was sent.
func (c *check) field(f *field, v value, path []string) {
	if v != absent || f.required {
		c.value(f, v, path)
	}
}

func (c *check) value(f *field, v value, path []string) {
	switch f.Type {
	case typeString, typeTextarea, typeEmail, typeURL, typeFile:
		c.text(f, v, path)
	case typeNumber, typeInteger:
		c.number(f, v, path)
	case typeBoolean:
		if _, ok := v.(bool); !ok {
			c.fail(path, wanted("boolean", v), codeType)
		}
	case typeDate, typeDatetime:
		if !isDate(v) {
			c.fail(path, "Invalid date", codeDate)
		}
	case typeSelect:
		c.choice(f, v, path)
	case typeMultiselect:
		list, ok := v.([]value)
		if !ok {
			c.fail(path, wanted("array", v), codeType)
			return
		}
		for i, item := range list {
			if c.full() {
				return
			}
			c.choice(f, item, child(path, strconv.Itoa(i)))
		}
	case typeArray:
		c.array(f, v, path)
	case typeObject:
		o, ok := v.(*object)
		if !ok {
			c.fail(path, wanted("object", v), codeType)
			return
		}
		c.object(f.properties, o, path)
	}
}

func (c *check) text(f *field, v value, path []string) {
	s, ok := v.(string)
	if !ok {
		c.fail(path, wanted("string", v), codeType)
		return
	}
	switch f.Type {
	case typeFile:
		return // an upload's id; whether there is one, the engine looks
	case typeEmail:
		if !isEmail(s) {
			c.fail(path, "Invalid email address", codeString)
		}
	case typeURL:
		if !isURL(s) {
			c.fail(path, "Invalid URL", codeString)
		}
	}
	if f.MinLength != nil && float64(units(s)) < *f.MinLength {
		c.fail(path, "Minimum length is "+number(*f.MinLength), codeSmall)
	}
	if f.MaxLength != nil && float64(units(s)) > *f.MaxLength {
		c.fail(path, "Maximum length is "+number(*f.MaxLength), codeBig)
	}
	if f.pattern != nil && !f.pattern.matches(s, c.budget) {
		c.fail(path, "Invalid format", codeString)
	}
}

func (c *check) number(f *field, v value, path []string) {
	n, ok := v.(float64)
	if !ok {
		c.fail(path, wanted("number", v), codeType)
		return
	}
	if f.Type == typeInteger && (n != math.Trunc(n) || math.IsInf(n, 0)) {
		c.fail(path, "Must be an integer", codeType)
	}
	if f.Min != nil && n < *f.Min {
		c.fail(path, "Minimum value is "+number(*f.Min), codeSmall)
	}
	if f.Max != nil && n > *f.Max {
		c.fail(path, "Maximum value is "+number(*f.Max), codeBig)
	}
}

func (c *check) array(f *field, v value, path []string) {
	list, ok := v.([]value)
	if !ok {
		c.fail(path, wanted("array", v), codeType)
		return
	}
	if f.items == nil {
		return
	}
	for i, item := range list {
		if c.full() {
			return
		}
		c.value(f.items, item, child(path, strconv.Itoa(i)))
	}
}

// choice checks one value against the options. How it fails depends on what
// they are: texts, one other value, or several values.
func (c *check) choice(f *field, v value, path []string) {
	if len(f.options) == 0 {
		return
	}
	for _, option := range f.options {
		if same(option, v) {
			return
		}
	}
	switch s, isText := v.(string); {
	case f.texts && isText:
		c.fail(path, fmt.Sprintf("Invalid enum value. Expected %s, received '%s'", f.words(), s), codeEnum)
	case f.texts:
		c.fail(path, wanted(f.words(), v), codeType)
	case len(f.options) == 1:
		c.fail(path, "Invalid literal value, expected "+literal(f.options[0]), codeLiteral)
	default:
		c.fail(path, "Invalid input", codeUnion)
	}
}

// words are the options as messages list them.
func (f *field) words() string {
	texts := make([]string, len(f.options))
	for i, option := range f.options {
		texts[i], _ = option.(string)
	}
	return "'" + strings.Join(texts, "' | '") + "'"
}

// holds reports whether a field is asked for, given the object it is in.
func (c *condition) holds(o *object) bool {
	v := o.get(c.field)
	x, isX := v.(float64)
	y, isY := c.value.(float64)
	list, isList := c.value.([]value)
	contained := false
	for _, item := range list {
		contained = contained || same(item, v)
	}
	switch c.operator {
	case "eq":
		return same(v, c.value)
	case "ne":
		return !same(v, c.value)
	case "gt":
		return isX && isY && x > y
	case "lt":
		return isX && isY && x < y
	case "gte":
		return isX && isY && x >= y
	case "lte":
		return isX && isY && x <= y
	case "in":
		return isList && contained
	case "notIn":
		return isList && !contained
	default:
		return false
	}
}

// Files returns the fields of type file that an input fills with a text, as
// far as they are asked for.
func (s *Schema) Files(input []byte) []File {
	v, _ := decode(input)
	o, ok := v.(*object)
	if !ok {
		return nil
	}
	return files(s.fields, o, nil, nil)
}

func files(fields []*field, o *object, path []string, out []File) []File {
	for _, f := range fields {
		if f.showIf == nil || f.showIf.holds(o) {
			out = f.files(o.get(f.Name), child(path, f.Name), out)
		}
	}
	return out
}

func (f *field) files(v value, path []string, out []File) []File {
	switch v := v.(type) {
	case string:
		if f.Type != typeFile || len(out) >= maxErrors {
			break
		}
		one := File{Field: strings.Join(path, "."), ID: v}
		if f.Accept != nil {
			one.Accept = *f.Accept
		}
		if f.MaxSize != nil {
			one.MaxSize = *f.MaxSize
		}
		return append(out, one)
	case []value:
		if f.Type != typeArray || f.items == nil {
			break
		}
		for i, item := range v {
			out = f.items.files(item, child(path, strconv.Itoa(i)), out)
		}
	case *object:
		if f.Type == typeObject {
			return files(f.properties, v, path, out)
		}
	}
	return out
}

// Accepts reports whether a file of that name and type is one that the field
// takes: by an extension (".pdf"), a type ("image/png") or all of a kind
// ("image/*"), in any case.
func (f File) Accepts(name, mimeType string) bool {
	if strings.TrimSpace(f.Accept) == "" {
		return true
	}
	name = strings.ToLower(name)
	mimeType, _, _ = strings.Cut(strings.ToLower(mimeType), ";")
	mimeType = strings.TrimSpace(mimeType)
	for one := range strings.SplitSeq(strings.ToLower(f.Accept), ",") {
		one = strings.TrimSpace(one)
		kind, any := strings.CutSuffix(one, "/*")
		switch {
		case one == "":
		case one == "*/*" || one == "*":
			return true
		case one[0] == '.':
			if strings.HasSuffix(name, one) {
				return true
			}
		case any:
			if strings.HasPrefix(mimeType, kind+"/") {
				return true
			}
		case one == mimeType:
			return true
		}
	}
	return false
}
