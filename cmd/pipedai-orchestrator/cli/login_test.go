package cli

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/enroll"
	"pipedai/internal/cliutil"
)

func TestLogin_kindsAndExitCodes(t *testing.T) {
	t.Parallel()
	const url = "https://api.example.test"
	tests := []struct {
		name  string
		stdin string
		env   string
		args  []string
		code  int
		say   string
	}{
		{"an API key, piped in", "pwk_secret\n", "", nil, 0, "Kept the workspace token"},
		{"a host credential", "hos_secret", "", []string{"--token-stdin", "--workspace", "ws1"}, 0, "Kept the host token"},
		{"a pool token by its kind", "pop_secret", "", nil, 0, "Kept the pool token"},
		{"a pool token by its scope", "pop_secret", "", []string{"--scope=pool"}, 0, "Kept the pool token"},
		{"from the environment", "", "pwk_secret", nil, 0, "Kept the workspace token"},
		{"from a flag", "", "", []string{"--token", "pwk_secret"}, 0, "warning: other programs can see --token"},
		{"nothing", "", "", nil, 2, "holds no token"},
		{"an empty flag", "pwk_secret", "", []string{"--token", ""}, 2, "--token is empty"},
		{"another prefix", "ghp_secret", "", nil, 2, `"ghp_"`},
		{"a pool token for a workspace", "pop_secret", "", []string{"--scope=workspace"}, 2, "pwk_ or hos_"},
		{"an API key for the pool", "pwk_secret", "", []string{"--scope=pool"}, 2, "pop_"},
		{"several words", "pwk_secret more", "", nil, 2, "more than one word"},
		{"another scope", "pwk_secret", "", []string{"--scope=admin"}, 1, "neither workspace nor pool"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tm := newTerminal(t)
			tm.stdin = tt.stdin
			tm.env["PIPEDAI_OPERATOR_TOKEN"] = tt.env
			r := tm.run(t, append([]string{"login", "--api-url", url + "/"}, tt.args...)...)
			r.want(t, tt.code, tt.say)
			if strings.Contains(r.out+r.err, "secret") {
				t.Errorf("the token was printed: %s%s", r.out, r.err)
			}
			creds, err := enroll.LoadCredentials(filepath.Join(tm.home, "orchestrator", "credentials.json"))
			if tt.code != 0 {
				if !errors.Is(err, enroll.ErrNoCredentials) {
					t.Error("credentials were written")
				}
				return
			}
			if err != nil || len(creds.Tokens()) != 1 || creds.Tokens()[0].APIURL != url {
				t.Errorf("kept %+v, %v", creds.Tokens(), err)
			}
		})
	}
	newTerminal(t).run(t, "login").want(t, 2, "--api-url")
	newTerminal(t).run(t, "login", "--api-url", "http://api.example.test").want(t, 2, "in the clear")
}

// A pipe that nobody writes to or closes must not hold the command up for ever.
func TestLogin_openPipe(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	d := newDeps(cliutil.Streams{In: r, Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }})
	d.pipeWait = 50 * time.Millisecond
	in := secretInput{what: "token", env: "X", piped: true}
	if _, _, err := in.read(t.Context(), d); err == nil || !strings.Contains(err.Error(), "no token came") {
		t.Errorf("error %v", err)
	}
	_ = w.Close() // ends the reader
	d.streams.InTTY = true
	if _, found, err := in.read(t.Context(), d); found || err != nil {
		t.Errorf("a terminal was read: %v", err)
	}
}

func TestLogin_C9_laxFiles(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	folder := filepath.Join(tm.home, "orchestrator")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	credentials, token := filepath.Join(folder, "credentials.json"), filepath.Join(t.TempDir(), "token")
	for path, text := range map[string]string{credentials: `{"version":1,"localToken":"oct_x","operators":{}}`, token: "pwk_secret"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tm.run(t, "login", "--api-url", "https://api.example.test", "--token-file", token).want(t, 0, "chmod 600 "+token, "others could read "+credentials)
	if info, err := os.Stat(credentials); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestTokens_listAndLogout(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	tm := newTerminal(t)
	tm.run(t, "tokens").want(t, 0, "keeps no tokens")
	tm.run(t, "tokens", "--json").want(t, 0, `"items": []`)
	tm.run(t, "logout", "--api-url", p.URL).want(t, 0, "There was no token")
	if _, err := os.Stat(tm.home); !errors.Is(err, os.ErrNotExist) {
		t.Error("looking created the home")
	}

	tm.env["PIPEDAI_CONNECT_TOKEN"] = "enr_code"
	tm.run(t, "connect", "--api-url", p.URL).want(t, 0, "Connected")
	tm.stdin = "pwk_a-person's-key"
	// The workspace is known from the worker that is here.
	tm.run(t, "login", "--api-url", p.URL).want(t, 0, "workspace ws1")
	r := tm.run(t, "tokens", "--json")
	var listed struct{ Items []enroll.Stored }
	if err := json.Unmarshal([]byte(r.out), &listed); err != nil || len(listed.Items) != 2 || strings.Contains(r.out, "hos_") || strings.Contains(r.out, "pwk_") {
		t.Errorf("tokens --json: %s", r.out)
	}
	tm.run(t, "tokens").want(t, 0, p.URL+"\tws1\thost\tno", p.URL+"\tws1\tworkspace\tyes")
	tm.run(t, "logout", "--api-url", p.URL, "--workspace", "other").want(t, 0, "There was no token")
	tm.run(t, "logout", "--api-url", p.URL, "--json").want(t, 0, `"removed"`)
	tm.run(t, "tokens").want(t, 0, "keeps no tokens")
}
