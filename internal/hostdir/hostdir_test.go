package hostdir

import (
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
