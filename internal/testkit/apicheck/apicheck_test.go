package apicheck_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/openapi"
	"pipedai/internal/testkit/apicheck"
)

type item struct {
	ID   string   `json:"id"`
	Kind string   `json:"kind,omitempty"`
	At   api.Time `json:"at"`
	Tags []string `json:"tags"`
}

type order struct {
	Name  string `json:"name" validate:"required,max=5"`
	Count int    `json:"count,omitempty" validate:"gte=1"`
}

func checker(t *testing.T) *apicheck.Checker {
	t.Helper()
	document, err := openapi.Interface{Title: "t", Version: "1", Routes: []openapi.Route{
		{
			Pattern: "GET /api/items/{id}", Answer: reflect.TypeFor[item](),
			About: openapi.About{Summary: "An item", Errors: []openapi.Failure{openapi.Fail(404, "Item not found", "itemId")}},
		},
		{
			Pattern: "POST /api/items", Body: reflect.TypeFor[order](), Access: "operators",
			About: openapi.About{Summary: "Make one", Example: `{"name":"x","count":null}`},
		},
	}}.JSON()
	if err != nil {
		t.Fatal(err)
	}
	c, err := apicheck.New(document)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheck(t *testing.T) {
	t.Parallel()
	c := checker(t)
	good := `{"id":"a","at":null,"tags":[]}`
	failed := `{"error":"Item not found","code":"not_found","requestId":"r","itemId":"a"}`
	for _, test := range []struct {
		name, method, path string
		status             int
		kind, body, want   string // want: part of the fault; empty: none
	}{
		{"as documented", "GET", "/api/items/a", 200, "application/json", good, ""},
		{"slashes and case", "GET", "//API/Items/a/", 200, "application/json", good, ""},
		{"head", "HEAD", "/api/items/a", 200, "application/json", "", ""},
		{"a member too many", "GET", "/api/items/a", 200, "application/json", `{"id":"a","at":null,"tags":[],"secret":1}`, "secret"},
		{"a member too few", "GET", "/api/items/a", 200, "application/json", `{"id":"a","tags":[]}`, "at"},
		{"null for a list", "GET", "/api/items/a", 200, "application/json", `{"id":"a","at":null,"tags":null}`, "tags"},
		{"no instant", "GET", "/api/items/a", 200, "application/json", `{"id":"a","at":"today","tags":[]}`, "date-time"},
		{"no JSON", "GET", "/api/items/a", 200, "application/json", `hello`, "not JSON"},
		{"another type", "GET", "/api/items/a", 200, "text/html", good, "text/html"},
		{"another status", "GET", "/api/items/a", 202, "application/json", good, "no such status"},
		{"a failure", "GET", "/api/items/a", 404, "application/json", failed, ""},
		{"a failure without a code", "GET", "/api/items/a", 404, "application/json", `{"error":"no","requestId":"r"}`, "code"},
		{"a failure with a member of another", "GET", "/api/items/a", 403, "application/json", failed, "itemId"},
		{"a token is missing", "POST", "/api/items", 401, "application/json", `{"error":"no","code":"c","requestId":"r"}`, ""},
		{"nothing to say", "POST", "/api/items", 204, "", "", ""},
		{"something to say", "POST", "/api/items", 204, "", "x", "without a body"},
		{"no route", "GET", "/api/none", 404, "application/json", `{"error":"no","code":"c","requestId":"r"}`, ""},
		{"a route nobody described", "GET", "/api/none", 200, "application/json", `{}`, "not documented"},
		{"a page", "GET", "/runs", 200, "text/html", "<p>", ""},
	} {
		err := c.Check(test.method, test.path, test.status, http.Header{"Content-Type": {test.kind}}, []byte(test.body))
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want it to name %q", test.name, err, test.want)
		}
	}
}

// An example that the server would refuse helps nobody.
func TestNew_badExample(t *testing.T) {
	t.Parallel()
	for _, example := range []string{`{}`, `{"name":"longer"}`, `{"name":"x","count":0}`, `{"name":1}`, `{"name":"x","more":1}`} {
		document, err := openapi.Interface{Title: "t", Version: "1", Routes: []openapi.Route{
			{Pattern: "POST /api/items", Body: reflect.TypeFor[order](), About: openapi.About{Summary: "Make one", Example: example}},
		}}.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := apicheck.New(document); err == nil {
			t.Errorf("took %s", example)
		}
	}
}
