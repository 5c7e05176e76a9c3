package inputschema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// one is a schema with one field "f" and these further members.
func one(members string) string {
	return `{"fields":[{"name":"f","label":"F",` + members + `}]}`
}

func parsed(t testing.TB, text string) *Schema {
	t.Helper()
	s, problems := Parse([]byte(text))
	if len(problems) > 0 {
		t.Fatalf("parse %s: %v", text, problems)
	}
	return s
}

func told(errors []Error) []string {
	out := []string{}
	for _, e := range errors {
		out = append(out, fmt.Sprintf("%s|%s|%s", e.Field, e.Message, e.Code))
	}
	return out
}

// TestValidate goes through the table of the contract, row by row.
func TestValidate(t *testing.T) {
	t.Parallel()
	const two = `"type":"select","options":[{"label":"A","value":"a"},{"label":"B","value":"b"}]`
	for _, tt := range []struct {
		schema, input string
		want          []string
	}{
		// required and absent
		{one(`"type":"string","required":true`), `{}`, []string{"f|Required|invalid_type"}},
		{one(`"type":"number","required":true`), `{}`, []string{"f|Required|invalid_type"}},
		{one(`"type":"boolean","required":true`), `{}`, []string{"f|Required|invalid_type"}},
		{one(`"type":"file","required":true`), `{}`, []string{"f|Required|invalid_type"}},
		{one(`"type":"array","required":true`), `{}`, []string{"f|Required|invalid_type"}},
		{one(`"type":"object","required":true`), `{}`, []string{"f|Required|invalid_type"}},
		{one(`"type":"multiselect","required":true`), `{}`, []string{"f|Required|invalid_type"}},
		{one(`"type":"date","required":true`), `{}`, []string{"f|Invalid date|invalid_date"}},
		{one(`"type":"json","required":true`), `{}`, nil},
		{one(two + `,"required":true`), `{}`, []string{"f|Required|invalid_type"}},
		{one(`"type":"select","required":true`), `{}`, nil},
		{one(`"type":"string","required":true,"default":"x"`), `{}`, []string{"f|Required|invalid_type"}},
		// optional: absent, but not null
		{one(`"type":"string"`), `{}`, nil},
		{one(`"type":"number","default":"wrong"`), `{}`, nil},
		{one(`"type":"string"`), `{"f":null}`, []string{"f|Expected string, received null|invalid_type"}},
		{one(`"type":"json"`), `{"f":null}`, nil},
		{one(`"type":"datetime"`), `{"f":null}`, nil},
		// string and textarea
		{one(`"type":"string","required":true`), `{"f":""}`, nil},
		{one(`"type":"textarea"`), `{"f":5}`, []string{"f|Expected string, received number|invalid_type"}},
		{one(`"type":"string"`), `{"f":true}`, []string{"f|Expected string, received boolean|invalid_type"}},
		{one(`"type":"string"`), `{"f":[]}`, []string{"f|Expected string, received array|invalid_type"}},
		{one(`"type":"string"`), `{"f":{}}`, []string{"f|Expected string, received object|invalid_type"}},
		// email, URL
		{one(`"type":"email"`), `{"f":"a.b+c@example.co"}`, nil},
		{one(`"type":"email"`), `{"f":"a@b"}`, []string{"f|Invalid email address|invalid_string"}},
		{one(`"type":"url"`), `{"f":"mailto:x"}`, nil},
		{one(`"type":"url"`), `{"f":"/path"}`, []string{"f|Invalid URL|invalid_string"}},
		// lengths in UTF-16, all failures in order: format, minimum, maximum, pattern
		{one(`"type":"string","maxLength":2`), `{"f":"😀"}`, nil},
		{one(`"type":"string","maxLength":1`), `{"f":"😀"}`, []string{"f|Maximum length is 1|too_big"}},
		{one(`"type":"email","minLength":9,"pattern":"^b"`), `{"f":"a@"}`, []string{
			"f|Invalid email address|invalid_string", "f|Minimum length is 9|too_small", "f|Invalid format|invalid_string"}},
		{one(`"type":"url","minLength":5,"maxLength":1,"pattern":"x"`), `{"f":"a b"}`, []string{
			"f|Invalid URL|invalid_string", "f|Minimum length is 5|too_small", "f|Maximum length is 1|too_big", "f|Invalid format|invalid_string"}},
		{one(`"type":"string","minLength":1.5`), `{"f":"a"}`, []string{"f|Minimum length is 1.5|too_small"}},
		// pattern: a search; what is no expression is ignored
		{one(`"type":"string","pattern":"b+"`), `{"f":"abc"}`, nil},
		{one(`"type":"string","pattern":"("`), `{"f":"abc"}`, nil},
		{one(`"type":"number","pattern":"x"`), `{"f":1}`, nil},
		// numbers
		{one(`"type":"number","min":1,"max":0`), `{"f":0.5}`, []string{"f|Minimum value is 1|too_small", "f|Maximum value is 0|too_big"}},
		{one(`"type":"number"`), `{"f":"1"}`, []string{"f|Expected number, received string|invalid_type"}},
		{one(`"type":"integer","min":2`), `{"f":1.5}`, []string{"f|Must be an integer|invalid_type", "f|Minimum value is 2|too_small"}},
		{one(`"type":"integer"`), `{"f":1e300}`, nil},
		{one(`"type":"integer"`), `{"f":2.0}`, nil},
		{one(`"type":"number","max":1e21`), `{"f":1e22}`, []string{"f|Maximum value is 1e+21|too_big"}},
		{one(`"type":"boolean"`), `{"f":0}`, []string{"f|Expected boolean, received number|invalid_type"}},
		// dates
		{one(`"type":"date"`), `{"f":"2024-02-29"}`, nil},
		{one(`"type":"date"`), `{"f":"Mar 4, 2024"}`, nil},
		{one(`"type":"date"`), `{"f":true}`, nil},
		{one(`"type":"date"`), `{"f":8.64e15}`, nil},
		{one(`"type":"date"`), `{"f":8.65e15}`, []string{"f|Invalid date|invalid_date"}},
		{one(`"type":"date"`), `{"f":"soon"}`, []string{"f|Invalid date|invalid_date"}},
		{one(`"type":"date"`), `{"f":{}}`, []string{"f|Invalid date|invalid_date"}},
		{one(`"type":"date"`), `{"f":[2024,5]}`, nil},
		{one(`"type":"date"`), `{"f":[]}`, []string{"f|Invalid date|invalid_date"}},
		// select
		{one(two), `{"f":"b"}`, nil},
		{one(two), `{"f":"x"}`, []string{"f|Invalid enum value. Expected 'a' | 'b', received 'x'|invalid_enum_value"}},
		{one(two), `{"f":7}`, []string{"f|Expected 'a' | 'b', received number|invalid_type"}},
		{one(`"type":"select","options":[{"label":"A","value":1}]`), `{"f":2}`, []string{"f|Invalid literal value, expected 1|invalid_literal"}},
		{one(`"type":"select","required":true,"options":[{"label":"A","value":true}]`), `{}`, []string{"f|Invalid literal value, expected true|invalid_literal"}},
		{one(`"type":"select","options":[{"label":"A","value":1},{"label":"B","value":"b"}]`), `{"f":"b"}`, nil},
		{one(`"type":"select","options":[{"label":"A","value":1},{"label":"B","value":"b"}]`), `{"f":"1"}`, []string{"f|Invalid input|invalid_union"}},
		{one(`"type":"select","required":true,"options":[{"label":"A","value":1},{"label":"B","value":2}]`), `{}`, []string{"f|Invalid input|invalid_union"}},
		{one(`"type":"select"`), `{"f":[1]}`, nil},
		// multiselect
		{one(strings.Replace(two, "select", "multiselect", 1)), `{"f":["a","x",1]}`, []string{
			"f.1|Invalid enum value. Expected 'a' | 'b', received 'x'|invalid_enum_value", "f.2|Expected 'a' | 'b', received number|invalid_type"}},
		{one(`"type":"multiselect"`), `{"f":"a"}`, []string{"f|Expected array, received string|invalid_type"}},
		{one(`"type":"multiselect"`), `{"f":[1,"x"]}`, nil},
		// file
		{one(`"type":"file","accept":".pdf","maxSize":1,"minLength":99,"pattern":"x"`), `{"f":"tmp_a"}`, nil},
		{one(`"type":"file"`), `{"f":{}}`, []string{"f|Expected string, received object|invalid_type"}},
		// arrays and objects
		{one(`"type":"array"`), `{"f":[1,null]}`, nil},
		{one(`"type":"array","items":{"name":"i","label":"I","type":"integer"}`), `{"f":[1,null,1.5]}`, []string{
			"f.1|Expected number, received null|invalid_type", "f.2|Must be an integer|invalid_type"}},
		{one(`"type":"object"`), `{"f":{"any":1}}`, nil},
		{one(`"type":"object"`), `{"f":[]}`, []string{"f|Expected object, received array|invalid_type"}},
		{one(`"type":"object","properties":[{"name":"a","label":"A","type":"array","items":{"name":"i","label":"I","type":"object","properties":[{"name":"b","label":"B","type":"string","required":true}]}}]`),
			`{"f":{"x":1,"a":[{"b":"y"},{}]}}`, []string{"f.a.1.b|Required|invalid_type"}},
		// strict, and the root
		{`{"strict":true,"fields":[{"name":"a","label":"A","type":"string"}]}`, `{"z":1,"y":1,"2":1,"a":1,"1":1}`, []string{
			"a|Expected string, received number|invalid_type", "|Unrecognized key(s) in object: '1', '2', 'z', 'y'|unrecognized_keys"}},
		{`{"strict":true,"fields":[{"name":"o","label":"O","type":"object","properties":[]}]}`, `{"o":{"x":1}}`, nil},
		{`{"fields":[]}`, `[]`, []string{"|Expected object, received array|invalid_type"}},
		{`{"fields":[]}`, `null`, []string{"|Expected object, received null|invalid_type"}},
		{`{"fields":[]}`, ``, []string{"|Required|invalid_type"}},
		// two fields with one name; whole numbers come first
		{`{"fields":[{"name":"b","label":"","type":"string"},{"name":"a","label":"","type":"string"},{"name":"7","label":"","type":"string"},{"name":"b","label":"","type":"number"}]}`,
			`{"a":1,"b":"x","7":1}`, []string{
				"7|Expected string, received number|invalid_type", "b|Expected number, received string|invalid_type", "a|Expected string, received number|invalid_type"}},
	} {
		got := told(parsed(t, tt.schema).Validate([]byte(tt.input), nil))
		if diff := cmp.Diff(append([]string{}, tt.want...), got); diff != "" {
			t.Errorf("%s\nwith %s (-want +got):\n%s", tt.schema, tt.input, diff)
		}
	}
}

// A field whose condition is false is neither required nor checked.
func TestValidate_showIf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		operator, value, is string
		shown               bool
	}{
		{"eq", `"a"`, `"a"`, true}, {"eq", `1`, `"1"`, false}, {"eq", `null`, `null`, true}, {"eq", `[]`, `[]`, false},
		{"ne", `"a"`, `"b"`, true}, {"ne", `"a"`, `"a"`, false},
		{"gt", `1`, `2`, true}, {"gt", `1`, `1`, false}, {"gt", `1`, `"2"`, false},
		{"lt", `2`, `1`, true}, {"gte", `2`, `2`, true}, {"lte", `2`, `3`, false},
		{"in", `["a",1]`, `1`, true}, {"in", `["a"]`, `"b"`, false}, {"in", `"a"`, `"a"`, false},
		{"notIn", `["a"]`, `"b"`, true}, {"notIn", `["a"]`, `"a"`, false}, {"notIn", `"a"`, `"b"`, false},
	} {
		s := parsed(t, fmt.Sprintf(`{"fields":[{"name":"w","label":"","type":"json"},
			{"name":"f","label":"","type":"string","required":true,"showIf":{"field":"w","operator":%q,"value":%s}}]}`, tt.operator, tt.value))
		if got := len(s.Validate([]byte(`{"w":`+tt.is+`}`), nil)) == 1; got != tt.shown {
			t.Errorf("%s %s %s: shown %t, want %t", tt.is, tt.operator, tt.value, got, tt.shown)
		}
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"a@b.co": true, "A.B_c+d-e'f@x-1.example.COM": true, "a+@b.co": true, "1@2.co": true, "a@b.c-d.io": true, "a@b-.io": true,
		"": false, "a": false, "a@": false, "@b.co": false, ".a@b.co": false, "a.@b.co": false, "a..b@c.io": false, "a'@b.co": false,
		"a@b": false, "a@b.c": false, "a@b.c1": false, "a@-b.io": false, "a@b..io": false, "a@.io": false, "ä@b.co": false, "a@ü.co": false,
		"a b@c.io": false, "a@b.co ": false, "a@b@c.io": false, "\"a\"@b.co": false, "a@b_c.io": false,
	} {
		if got := isEmail(text); got != want {
			t.Errorf("%q: got %t", text, got)
		}
	}
}

// TestParse: what the table allows is kept, what it does not know is dropped,
// and every violation is named with its place.
func TestParse(t *testing.T) {
	t.Parallel()
	s := parsed(t, `{"strict":false,"title":"x","fields":[{"name":"a","type":"select","label":"A","color":"red","required":null,"default":null,
		"options":[{"label":"1","value":{"b":1.50,"a":[true]},"x":1}],"showIf":{"field":"b","operator":"in","value":[1],"x":1},
		"items":{"name":"","type":"json","label":""},"properties":[]}]}`)
	want := `{"fields":[{"name":"a","type":"select","label":"A","default":null,"options":[{"label":"1","value":{"b":1.5,"a":[true]}}],` +
		`"items":{"name":"","type":"json","label":""},"properties":[],"showIf":{"field":"b","operator":"in","value":[1]}}],"strict":false}`
	if diff := cmp.Diff(want, string(s.JSON())); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	const enum = "'string' | 'number' | 'integer' | 'boolean' | 'email' | 'url' | 'date' | 'datetime' | 'select' | 'multiselect' | 'textarea' | 'json' | 'file' | 'array' | 'object'"
	for text, want := range map[string][]string{
		`[]`:                           {": Expected object, received array"},
		`{}`:                           {"fields: Required"},
		`{"fields":{}}`:                {"fields: Expected array, received object"},
		`{"fields":[],"strict":1}`:     {"strict: Expected boolean, received number"},
		`{"fields":[7]}`:               {"fields.0: Expected object, received number"},
		`{"fields":[{"type":"text"}]}`: {"fields.0.name: Required", "fields.0.type: Invalid enum value. Expected " + enum + ", received 'text'", "fields.0.label: Required"},
		one(`"type":"string","minLength":0,"maxSize":-1,"min":"1"`): {
			"fields.0.minLength: Number must be greater than 0", "fields.0.min: Expected number, received string", "fields.0.maxSize: Number must be greater than 0"},
		one(`"type":"select","options":[{"value":1},2]`):                               {"fields.0.options.0.label: Required", "fields.0.options.1: Expected object, received number"},
		one(`"type":"string","showIf":{"field":"a","operator":"like"}`):                {"fields.0.showIf.operator: Invalid enum value. Expected 'eq' | 'ne' | 'gt' | 'lt' | 'gte' | 'lte' | 'in' | 'notIn', received 'like'"},
		one(`"type":"array","items":{"name":"i","type":"array","label":"","items":1}`): {"fields.0.items.items: Expected object, received number"},
		one(`"type":"object","properties":[{}]`):                                       {"fields.0.properties.0.name: Required", "fields.0.properties.0.type: Required", "fields.0.properties.0.label: Required"},
	} {
		_, problems := Parse([]byte(text))
		got := []string{}
		for _, p := range problems {
			got = append(got, strings.Join(p.Path, ".")+": "+p.Text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// Neither a schema nor an input makes the answer grow without end.
func TestBounds(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"fields":[{"name":"f","label":"","type":"object","properties":[`, 1)
	for range 100 {
		deep += `{"name":"f","label":"","type":"object","properties":[`
	}
	deep += strings.Repeat(`]}`, 102)
	if _, problems := Parse([]byte(deep)); len(problems) != 1 || !strings.Contains(problems[0].Text, "nest deeper") {
		t.Errorf("a deep schema: %v", problems)
	}
	wide := `{"fields":[` + strings.Repeat(`{"name":"f","label":"","type":"string"},`, 3000) + `{}]}`
	if _, problems := Parse([]byte(wide)); len(problems) != 1 || !strings.Contains(problems[0].Text, "more than 2000 fields") {
		t.Errorf("a wide schema: %v", problems)
	}
	s := parsed(t, one(`"type":"array","items":{"name":"i","label":"","type":"string"}`))
	if got := s.Validate([]byte(`{"f":[`+strings.Repeat("1,", 100_000)+`1]}`), nil); len(got) != maxErrors {
		t.Errorf("%d errors", len(got))
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	s := parsed(t, `{"fields":[{"name":"doc","label":"","type":"file","accept":".pdf","maxSize":10},{"name":"hidden","label":"","type":"file","showIf":{"field":"x","operator":"eq","value":1}},
		{"name":"all","label":"","type":"array","items":{"name":"i","label":"","type":"object","properties":[{"name":"f","label":"","type":"file"}]}}]}`)
	got := s.Files([]byte(`{"doc":"tmp_1","hidden":"tmp_2","all":[{"f":"tmp_3"},{"f":7},8],"other":"tmp_4"}`))
	if diff := cmp.Diff([]File{{"doc", "tmp_1", ".pdf", 10}, {Field: "all.0.f", ID: "tmp_3"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzSchema: whatever a schema and an input say, both are read to an end; a
// schema that was taken reads the same from what is stored of it.
func FuzzSchema(f *testing.F) {
	f.Add(`{"fields":[{"name":"f","label":"F","type":"string","pattern":"^(a+)+$","minLength":1}]}`, `{"f":"aaa"}`)
	f.Add(`{"strict":true,"fields":[{"name":"d","label":"","type":"date"},{"name":"u","label":"","type":"url"},{"name":"e","label":"","type":"email"}]}`, `{"d":"1/2/3 10:30 pm","u":"http://[::1]:1","e":"a@b.co","x":[]}`)
	f.Add(`{"fields":[{"name":"s","label":"","type":"multiselect","options":[{"label":"","value":1e400},{"label":""}],"showIf":{"field":"s","operator":"in","value":[null]}}]}`, `{"s":[null,{}]}`)
	f.Add(`{"fields":[{"name":"a","label":"","type":"array","items":{"name":"","label":"","type":"object","properties":[{"name":"f","label":"","type":"file"}]}}]}`, `{"a":[{"f":"tmp_"}]}`)
	f.Add(`null`, ``)
	f.Fuzz(func(t *testing.T, schema, input string) {
		s, problems := Parse([]byte(schema))
		if (s == nil) == (len(problems) == 0) {
			t.Fatalf("got %v and %v", s, problems)
		}
		isDateText(input)
		isURL(input)
		isEmail(input)
		if s == nil {
			return
		}
		s.Validate([]byte(input), &Budget{}) // without time for the slow engine
		s.Files([]byte(input))
		again, problems := Parse(s.JSON())
		if len(problems) > 0 {
			t.Fatalf("what is stored is not a schema: %s: %v", s.JSON(), problems)
		}
		if !json.Valid(s.JSON()) || string(again.JSON()) != string(s.JSON()) {
			t.Errorf("stored: %s, read again: %s", s.JSON(), again.JSON())
		}
	})
}
