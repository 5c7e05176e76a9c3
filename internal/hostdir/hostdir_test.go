package hostdir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValidID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"w1", "wkr_0abc", "a.b-c_D", strings.Repeat("x", 128)} {
		if err := ValidID(id); err != nil {
			t.Errorf("ValidID(%q) = %v, want nil", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "../x", "a/b", `a\b`, "a b", "..%2f", "a..b", ".hidden", "x.", "con", "AUX.log", "a\x00", "ä", strings.Repeat("x", 129)} {
		if err := ValidID(id); err == nil {
			t.Errorf("ValidID(%q) = nil, want an error", id)
		}
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Build Box": "build-box", "  ": "worker", "ÄÖ": "worker", "a--b": "a-b",
		"api.example.test:8443": "api-example-test-8443", strings.Repeat("a", 80): strings.Repeat("a", 60),
	} {
		if got := Slug(in); got != want {
			t.Errorf("Slug(%q) = %q, want %q", in, got, want)
		}
	}
}

// A home may be a folder that others use too; what lies in it is for the owner.
func TestMake_leavesASharedHomeOpen(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "shared")
	if err := os.MkdirAll(filepath.Join(home, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := At(home)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Make(); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]os.FileMode{home: 0o755, dir.Logs(): 0o700, dir.Orchestrator(): 0o700} {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", folder, info, err, want)
		}
	}
}
