package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pipedai/enroll"
	"pipedai/internal/cliutil"
)

// Somebody who connects a host hears what its tasks still need, and nothing
// when they are plain programs.
func TestMissing(t *testing.T) {
	t.Parallel()
	signedIn := t.TempDir()
	if err := os.MkdirAll(filepath.Join(signedIn, ".claude"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(signedIn, ".claude", ".credentials.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	tests := map[string]struct {
		auth  string
		tasks []string
		env   map[string]string
		want  []string
	}{
		"plain tasks":        {authAPIKey, []string{"/t.yaml"}, nil, nil},
		"plain tasks, login": {authClaudeMax, []string{"/t.yaml"}, nil, nil},
		"no tasks, no key":   {authAPIKey, nil, nil, []string{"--label 'my box' --tasks FILE", "ANTHROPIC_API_KEY"}},
		"no tasks, a key":    {authAPIKey, nil, map[string]string{"ANTHROPIC_API_KEY": "x"}, []string{"--tasks FILE"}},
		"no login":           {authClaudeMax, nil, map[string]string{"HOME": elsewhere}, []string{"--tasks FILE", "claude login"}},
		"a login":            {authClaudeMax, nil, map[string]string{"HOME": signedIn}, []string{"--tasks FILE"}},
		"another way":        {"", nil, nil, []string{"--tasks FILE"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS != "linux" && tt.auth == authClaudeMax {
				tt.want = tt.want[:min(len(tt.want), 1)] // its home is found otherwise, or a keychain may hold it
			}
			d := newDeps(cliutil.Streams{Getenv: func(name string) string { return tt.env[name] }})
			p := newPresenter(t.Context(), d, connectOptions{label: "my box"})
			got := p.missing(enroll.Result{APIURL: "https://a.test", AuthMode: tt.auth, Tasks: tt.tasks})
			if len(got) != len(tt.want) {
				t.Fatalf("%q", got)
			}
			for i, text := range tt.want {
				if !strings.Contains(got[i], text) {
					t.Errorf("%q lacks %q", got[i], text)
				}
			}
		})
	}
}
