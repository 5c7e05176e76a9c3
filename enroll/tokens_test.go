package enroll

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/internal/secret"
)

func putAll(t *testing.T, path string, puts ...[3]string) {
	t.Helper()
	for _, p := range puts {
		if err := PutOperator(path, p[0], p[1], secret.Text(p[2])); err != nil {
			t.Fatal(err)
		}
	}
}

func load(t *testing.T, path string) Credentials {
	t.Helper()
	c, err := LoadCredentials(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Two workspaces of one control plane, and two kinds of one workspace: none
// costs another its place, and what older programs read is still there.
func TestCredentials_kindsAndWorkspacesApart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials.json")
	putAll(t, path, [3]string{"https://a.test/", "ws1", "hos_1"}, [3]string{"https://a.test", "ws2", "hos_2"})
	c := load(t, path)
	if c.Operator("https://a.test", "ws1") != "hos_1" || c.Operator("https://A.test/", "ws2") != "hos_2" {
		t.Error("a second workspace replaced the first")
	}
	putAll(t, path, [3]string{"https://a.test", "ws1", "pwk_1"})
	if c = load(t, path); c.Operator("https://a.test", "ws1") != "pwk_1" || c.Operator("https://a.test", "ws3") != "pwk_1" {
		t.Error("an API key that a person stored is not used")
	}
	putAll(t, path, [3]string{"https://a.test", "ws1", "hos_3"})
	if err := PutPool(path, "https://a.test/", "pop_1"); err != nil {
		t.Fatal(err)
	}
	c = load(t, path)
	if c.Operator("https://a.test", "ws1") != "hos_3" || c.Operator("https://a.test", "ws3") != "pwk_1" || c.Pool("https://a.test/") != "pop_1" {
		t.Error("connecting again lost the API key, or is not used")
	}
	want := []Stored{
		{"https://a.test", "ws1", KindHost, true}, {"https://a.test", "ws1", KindKey, false}, {"https://a.test", "ws2", KindHost, true},
		{"https://a.test", "", KindPool, true},
	}
	if diff := cmp.Diff(want, c.Tokens()); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
	var file struct {
		Operators map[string]string `json:"operators"`
		Pools     map[string]string `json:"poolReadTokens"`
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &file) != nil || file.Operators["https://a.test"] != "pwk_1" || file.Pools["https://a.test"] != "pop_1" {
		t.Errorf("older programs read %+v", file)
	}
	if n := len(c.Secrets()); n < 6 {
		t.Errorf("%d secrets are known to be kept out of logs", n)
	}
}

func TestCredentials_removed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "credentials.json")
	if _, err := RemoveTokens(path, "https://a.test", ""); !errors.Is(err, ErrNoCredentials) {
		t.Errorf("without a file: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("removing created the folder")
	}
	putAll(t, path, [3]string{"https://a.test", "ws1", "hos_1"}, [3]string{"https://a.test", "ws2", "hos_2"}, [3]string{"https://b.test", "ws1", "hos_b"})
	removed, err := RemoveTokens(path, "https://a.test/", "ws2")
	if err != nil || len(removed) != 1 || removed[0].WorkspaceID != "ws2" {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if c := load(t, path); c.Operator("https://a.test", "ws2") != "" || c.Operator("https://a.test", "ws1") != "hos_1" {
		t.Error("the wrong one went, or the slot of older programs kept it")
	}
	if removed, err = RemoveTokens(path, "https://a.test", ""); err != nil || len(removed) != 1 {
		t.Errorf("removed %+v, %v", removed, err)
	}
	c := load(t, path)
	if diff := cmp.Diff([]string{"https://b.test"}, c.ControlPlanes()); diff != "" || c.LocalToken.Empty() {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// What a newer program wrote beside our members survives, at every depth.
func TestCredentials_keepNestedMembers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials.json")
	old := `{"version":1,"localToken":"oct_x","operators":{},"later":{"n":1},
		"workspaces":{"https://a.test":{"ws1":{"host":"hos_1","later":"kept"}}}}`
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	putAll(t, path, [3]string{"https://a.test", "ws1", "pwk_1"})
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), `"later": "kept"`) || !strings.Contains(string(data), "hos_1") {
		t.Errorf("%s, %v", data, err)
	}
}

func TestCredentials_writersDoNotLoseEachOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials.json")
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if err := PutOperator(path, "https://a.test", fmt.Sprintf("ws%d", n), secret.Text(fmt.Sprintf("hos_%d", n))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(load(t, path).Tokens()); n != 20 {
		t.Errorf("%d of 20 are there", n)
	}
}

func TestProtect(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // files there have no such modes
	}
	path := filepath.Join(t.TempDir(), "credentials.json")
	if wasOpen, err := Protect(path); wasOpen || err != nil {
		t.Errorf("no file: %v, %v", wasOpen, err)
	}
	if err := os.WriteFile(path, []byte(`{"version":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: true, 0o604: true, 0o622: true, 0o400: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if wasOpen, err := Protect(path); wasOpen != want || err != nil {
			t.Errorf("%o: %v, %v", mode, wasOpen, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%o became %o", mode, info.Mode().Perm())
		}
	}
}

// What a control plane revoked is wiped wherever the file has it, and nothing
// else is; a new credential, which a person brought, ends it.
func TestRevoke(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials.json")
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	putAll(t, path, [3]string{"https://a.test", "ws2", "hos_2"}, [3]string{"https://a.test", "ws1", "hos_1"}, [3]string{"https://b.test", "ws1", "hos_3"})
	c := load(t, path)
	if c.Host("https://A.test/", "ws1") != "hos_1" || c.Host("https://a.test", "ws2") != "hos_2" || c.Host("https://a.test", "ws9") != "" {
		t.Error("a workspace has the credential of another one")
	}
	if done, err := Revoke(path, "https://a.test", "ws1", "hos_other", at); err != nil || done {
		t.Errorf("one that was replaced meanwhile: %v, %v", done, err)
	}
	if done, err := Revoke(path, "https://a.test", "ws1", "hos_1", at); err != nil || !done {
		t.Errorf("revoked %v, %v", done, err)
	}
	if done, err := Revoke(path, "https://a.test", "ws1", "hos_1", at); err != nil || done {
		t.Errorf("again %v, %v", done, err)
	}
	c = load(t, path)
	raw, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(raw), "hos_1") {
		t.Errorf("it is still in the file, %v", err)
	}
	if !c.Revoked("https://a.test/", "ws1").Equal(at) || c.Host("https://a.test", "ws1") != "" || c.Host("https://a.test", "ws2") != "hos_2" ||
		!c.Revoked("https://a.test", "ws2").IsZero() || c.Host("https://b.test", "ws1") != "hos_3" {
		t.Errorf("afterwards %+v", c.Tokens())
	}
	putAll(t, path, [3]string{"https://a.test", "ws1", "pwk_1"})
	if load(t, path).Revoked("https://a.test", "ws1").IsZero() {
		t.Error("an operator's key does not let a host in")
	}
	putAll(t, path, [3]string{"https://a.test", "ws1", "hos_4"})
	if c = load(t, path); !c.Revoked("https://a.test", "ws1").IsZero() || c.Host("https://a.test", "ws1") != "hos_4" {
		t.Error("a new credential does not end it")
	}

	// An older program kept one for each control plane.
	old := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(old, []byte(`{"version":1,"operators":{"https://a.test":"hos_1"},"poolReadTokens":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if load(t, old).Host("https://a.test", "ws1") != "hos_1" {
		t.Error("the credential of an older program is not found")
	}
	if done, err := Revoke(old, "https://a.test", "ws1", "hos_1", at); err != nil || !done || len(load(t, old).Tokens()) != 0 {
		t.Errorf("revoked %v, %v", done, err)
	}
}
