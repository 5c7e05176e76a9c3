package httpkit

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
)

// form has a member of every kind that requests have.
type form struct {
	Text   string            `json:"text" validate:"max=4"`
	Whole  int               `json:"whole"`
	Large  int64             `json:"large"`
	Number float64           `json:"number"`
	Flag   bool              `json:"flag"`
	Maybe  *int              `json:"maybe"`
	List   *[]string         `json:"list"`
	Items  []item            `json:"items" validate:"dive"`
	Named  map[string]item   `json:"named" validate:"dive"`
	At     api.Time          `json:"at"`
	Raw    json.RawMessage   `json:"raw"`
	Tags   map[string]string `json:"tags"`
	Bytes  []byte            `json:"bytes" validate:"max=4"`
	Hidden string            `json:"-"`
	shared
}

type shared struct {
	Common string `json:"common"`
}

// TestBind_reads: null is absent, unknown members are ignored, names are exact
// and whole numbers may be written as any JSON number.
func TestBind_reads(t *testing.T) {
	t.Parallel()
	one, empty := 1, []string{}
	tests := []struct {
		name, body string
		want       form
	}{
		{"nothing", `{}`, form{}},
		{"every null", `{"text":null,"whole":null,"large":null,"number":null,"flag":null,"maybe":null,"list":null,"items":null,"named":null,"at":null,"raw":null,"tags":null}`, form{}},
		{"unknown members", `{"other":{"text":5},"hidden":"x","-":"x","Hidden":"x"}`, form{}},
		{"other spellings", `{"Text":"x","WHOLE":1}`, form{}},
		{"the last of two", `{"text":"a","text":"b"}`, form{Text: "b"}},
		{"whole numbers", `{"whole":-7.0,"large":1e3,"maybe":1}`, form{Whole: -7, Large: 1000, Maybe: &one}},
		{"the largest", `{"large":9007199254740992}`, form{Large: 1 << 53}},
		{"an empty list is not absent", `{"list":[]}`, form{List: &empty}},
		{"map", `{"named":{"a.pdf":{"id":"1"}},"tags":{"":"x"}}`, form{Named: map[string]item{"a.pdf": {ID: "1"}}, Tags: map[string]string{"": "x"}}},
		{"raw is kept as written", `{"raw": {"b" : [1.50, null]} }`, form{Raw: json.RawMessage(`{"b" : [1.50, null]}`)}},
		{"bytes are base64", `{"bytes":"AAH/"}`, form{Bytes: []byte{0, 1, 255}}},
		{"embedded", `{"common":"c"}`, form{shared: shared{Common: "c"}}},
		{"surrogates", `{"text":"\ud83d\ude00"}`, form{Text: "😀"}},
	}
	for _, test := range tests {
		var got form
		if err := Bind([]byte(test.body), &got); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(form{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestBind_refuses: every problem is told, once, at the place it is.
func TestBind_refuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"wrong kinds", `{"text":1,"whole":"1","number":"1","flag":"true","list":{},"items":{},"named":[],"at":5}`, `{
			"text":{"_errors":["Expected string, received number"]}, "whole":{"_errors":["Expected number, received string"]},
			"number":{"_errors":["Expected number, received string"]}, "flag":{"_errors":["Expected boolean, received string"]},
			"list":{"_errors":["Expected array, received object"]}, "items":{"_errors":["Expected array, received object"]},
			"named":{"_errors":["Expected object, received array"]}, "at":{"_errors":["Expected string, received number"]}, "_errors":[]}`},
		{"fraction", `{"whole":1.5}`, `{"_errors":[],"whole":{"_errors":["Expected integer, received float"]}}`},
		{"beyond what clients can count", `{"large":9007199254740994,"maybe":-1e300}`, `{"_errors":[],"large":{"_errors":["Number is out of range"]},"maybe":{"_errors":["Number is out of range"]}}`},
		{"beyond any number", `{"number":1e999}`, `{"_errors":[],"number":{"_errors":["Number is out of range"]}}`},
		{"instant", `{"at":"tomorrow"}`, `{"_errors":[],"at":{"_errors":["Invalid datetime"]}}`},
		{"NUL", `{"tags":{"a":"x\u0000y"}}`, `{"_errors":[],"tags":{"_errors":[],"a":{"_errors":["String must not contain NUL"]}}}`},
		{"null in a list", `{"list":["a",null],"items":[null]}`, `{"_errors":[],
			"list":{"_errors":[],"1":{"_errors":["Expected string, received null"]}},
			"items":{"_errors":[],"0":{"_errors":["Expected object, received null"]}}}`},
		{"too long, in characters", `{"text":"äöüßx"}`, `{"_errors":[],"text":{"_errors":["String must contain at most 4 character(s)"]}}`},
		{"bytes", `{"bytes":[1,2]}`, `{"_errors":[],"bytes":{"_errors":["Expected string, received array"]}}`},
		{"bytes, not base64", `{"bytes":"?"}`, `{"_errors":[],"bytes":{"_errors":["Invalid base64"]}}`},
		{"too many bytes", `{"bytes":"AAECAwQ="}`, `{"_errors":[],"bytes":{"_errors":["Must be at most 4 bytes"]}}`},
		{"key with a dot", `{"named":{"a.pdf":{},"b.pdf":{"id":7}}}`, `{"_errors":[],"named":{"_errors":[],
			"a.pdf":{"_errors":[],"id":{"_errors":["Required"]}}, "b.pdf":{"_errors":[],"id":{"_errors":["Expected string, received number"]}}}}`},
		{"key that the tree uses itself", `{"tags":{"_errors":5}}`, `{"_errors":[],"tags":{"_errors":["Expected string, received number"]}}`},
		{"root", `7`, `{"_errors":["Expected object, received number"]}`},
	}
	for _, test := range tests {
		err := Bind([]byte(test.body), &form{})
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Code != api.CodeValidation || refused.Message != "Invalid request" {
			t.Errorf("%s: got %v", test.name, err)
			continue
		}
		details, err := json.Marshal(refused.Details)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := errors.Join(json.Unmarshal(details, &got), json.Unmarshal([]byte(test.want), &want)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestBind_malformed says where a text stops being JSON.
func TestBind_malformed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"{\n  \"text\": \"a\",\n}":        "line 3, byte 18",
		`{"text":"a"} x`:                  "line 1",
		"":                                "unexpected end",
		strings.Repeat("[", 20_000):       "exceeded max depth",
		"{\"text\":\"line\nbreak\"}":      "line 1",
		`{"text":"` + "\x01" + `"}`:       "not JSON",
		`{"text":undefined}`:              "not JSON",
		`<html>`:                          "line 1, byte 1",
		`{"text":"a",}`:                   "byte 13",
		`{'text':'a'}`:                    "byte 2",
		"\xff":                            "byte 1",
		strings.Repeat(`{"raw":`, 30_000): "exceeded max depth",
	} {
		err := Bind([]byte(body), &form{})
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Code != api.CodeInvalid || !strings.Contains(refused.Detail, want) {
			t.Errorf("%.40q: got %v, want %q", body, err, want)
		}
	}
}

// FuzzBind: whatever the bytes, reading ends with a value or a 400 that tells
// why, and the value reads back as the same.
func FuzzBind(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `null`, `{"items":[null,{"id":{}}]}`, `{"text":"\u0000"}`, `{"named":{"a.b]":{"id":1}},"whole":1e2,"at":"2026-01-02T03:04:05Z"}`,
		`{"tags":{"_errors":{"_errors":1}}}`, `{"raw":[1,{"a":null}],"list":["x"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got form
		if err := Bind(data, &got); err != nil {
			var refused *api.Error
			if !errors.As(err, &refused) || refused.Status != 400 {
				t.Fatalf("got %v", err)
			}
			if _, err := json.Marshal(refused); err != nil {
				t.Fatalf("the answer cannot be written: %v", err)
			}
			return
		}
		written, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again form
		if err := Bind(written, &again); err != nil {
			t.Fatalf("%s was read, and not again: %v", written, err)
		}
	})
}
