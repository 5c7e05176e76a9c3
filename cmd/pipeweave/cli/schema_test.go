package cli

import (
	"net/http"
	"strings"
	"testing"

	"pipedai/internal/cliutil"
)

// TestSchema: what a task takes is shown, and what does not fit is named field
// by field, before a run as well as at its start.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	url, _, _, stop := s.serve()
	defer stop()
	body := `{"serviceId":"svc","version":"1","baseUrl":"http://127.0.0.1:9","tasks":[{"id":"free","codeHash":"1"},{"id":"read","codeHash":"1","inputSchema":{"strict":true,"fields":[
		{"name":"url","type":"url","label":"Address","required":true,"maxLength":20},
		{"name":"mode","type":"select","label":"How","options":[{"label":"A","value":"a"},{"label":"1","value":1}]},
		{"name":"rows","type":"array","label":"Rows","showIf":{"field":"mode","operator":"eq","value":"a"},"items":{"name":"i","label":"Row","type":"object","properties":[{"name":"n","label":"N","type":"integer","min":1}]}}]}}]}`
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(url+"/api/register", "application/json", strings.NewReader(body))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("register: got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	for _, step := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"tasks", "schema", "read"}, 0, []string{"url\turl\tyes\tmax length 20\tAddress", "mode\tselect\tno\tone of \"a\", 1\tHow", "rows\tarray\tno\tif mode eq \"a\"\tRows", "rows.*.n\tinteger\tno\tmin 1\tN", "Other fields are refused."}},
		{[]string{"tasks", "schema", "free"}, 0, []string{"Task free takes any input."}},
		{[]string{"tasks", "schema", "read", "--json"}, 0, []string{`"hasSchema": true`}},
		{[]string{"tasks", "schema", "none"}, 1, []string{`there is no task "none"`}},
		{[]string{"tasks", "validate", "read", "-i", `{"url":"a:b"}`}, 0, []string{"The input fits task read."}},
		{[]string{"tasks", "validate", "read", "-i", `{"x":1}`}, 1, []string{"error: input of read: url: Required", "error: input of read: (whole): Unrecognized key(s) in object: 'x'", "see: pipeweave tasks schema read"}},
		{[]string{"tasks", "validate", "read", "-i", `{`}, cliutil.ExitUsage, []string{"the input is not JSON"}},
		{[]string{"pipelines", "dry-run", "read", "--input", `{"url":1}`}, 1, []string{"  1. read (entry)", "error: input of read: url: Expected string, received number"}},
		{[]string{"pipelines", "dry-run", "read", "--input", `{"url":"a:b"}`}, 0, []string{"Next: pipeweave trigger"}},
		{[]string{"trigger", "read"}, 0, []string{"warning: input of read: url: Required", "is running"}},
		{[]string{"trigger", "read", "--validation-mode", "strict"}, 1, []string{"error: input of read: url: Required", "Input validation failed"}},
	} {
		code, out, errs := s.run(step.args...)
		for _, text := range step.want {
			if code != step.code || !strings.Contains(out+errs, text) {
				t.Errorf("%v: got %d\n%s%swant %d %q", step.args, code, out, errs, step.code, text)
			}
		}
	}
}
