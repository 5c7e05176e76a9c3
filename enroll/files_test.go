package enroll

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
)

func TestNormalizeURL(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"https://api.example.com":      "https://api.example.com",
		"https://API.example.com///":   "https://api.example.com",
		" https://api.example.com/v2/": "https://api.example.com/v2",
		"http://localhost:3000/":       "http://localhost:3000",
		"http://127.0.0.1:3000":        "http://127.0.0.1:3000",
		"http://[::1]:3000":            "http://[::1]:3000",
	}
	for raw, want := range good {
		if got, err := NormalizeURL(raw); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", "api.example.com", "http://api.example.com", "http://localhost.evil.com", "http://127.0.0.1.nip.io",
		"ftp://api.example.com", "https://user:pw@api.example.com", "https://api.example.com?x=1", "https://", "://", "file:///etc/passwd",
	} {
		if got, err := NormalizeURL(raw); err == nil {
			t.Errorf("%q was accepted as %q", raw, got)
		}
	}
}

func TestCredentials_ensureOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orchestrator", "credentials.json")
	if _, err := LoadCredentials(path); !errors.Is(err, ErrNoCredentials) {
		t.Fatalf("a missing file: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Fatal("looking created the folder")
	}
	first, err := EnsureLocalToken(path)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^oct_[A-Za-z0-9_-]{43}$`).MatchString(first.LocalToken.Reveal()) {
		t.Errorf("the local token does not look like one")
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	second, err := EnsureLocalToken(path)
	if err != nil || second.LocalToken != first.LocalToken {
		t.Errorf("the token changed: %v", err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v was not tightened (%v)", info.Mode(), err)
	}
}

func TestCredentials_keepWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials.json")
	old := `{"version":1,"localToken":"oct_x","operators":{"https://a.test":"pwk_of-a-person"},"poolReadTokens":{"https://a.test":"pop_x"},"later":{"n":1}}`
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := PutOperator(path, "https://a.test/", "ws1", "hos_of-the-host"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	var pool, later map[string]any
	if json.Unmarshal(got["poolReadTokens"], &pool) != nil || pool["https://a.test"] != "pop_x" ||
		json.Unmarshal(got["later"], &later) != nil || later["n"] != 1.0 {
		t.Errorf("members were lost: %s", data)
	}
	creds, err := LoadCredentials(path)
	if err != nil {
		t.Fatal(err)
	}
	if creds.Operator("https://a.test", "ws1").Reveal() != "hos_of-the-host" {
		t.Error("the host's credential is not used for its workspace")
	}
	if creds.Operator("https://a.test", "other").Reveal() != "pwk_of-a-person" {
		t.Error("a person's API key was replaced")
	}
}

func TestCredentials_L18_notAPlainFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	target, link := filepath.Join(folder, "target"), filepath.Join(folder, "credentials.json")
	if err := os.WriteFile(target, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := EnsureLocalToken(link); err == nil {
		t.Error("a link was followed")
	}
	if data, err := os.ReadFile(target); err != nil || string(data) != "keep" {
		t.Errorf("the target was touched: %q", data)
	}
}
