package controlplane

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/internal/httpkit"
	"pipedai/internal/openapi"
)

// A route that nobody described must not be served, and a description of a
// route that is gone must not stay.
func TestReference_everyRoute(t *testing.T) {
	t.Parallel()
	s := &Server{kit: &httpkit.Kit{}}
	if err := s.undescribed(); err != nil {
		t.Error(err)
	}
	if _, err := s.description().JSON(); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, r := range s.routes() {
		if seen[r.pattern] {
			t.Errorf("%s is there twice", r.pattern)
		}
		seen[r.pattern] = true
	}
	// The lists are what the contract says they are.
	about := reference()
	for _, pattern := range []string{"GET /api/runs", "GET /api/queue/items"} {
		var names []string
		for _, p := range about[pattern].Params {
			names = append(names, p.Name)
		}
		if text := strings.Join(names, " "); !strings.HasSuffix(text, "limit offset") {
			t.Errorf("%s has the parameters %s, which lack pages", pattern, text)
		}
	}
}

// The page that people read is committed; it must be what the routes say.
func TestReference_committedPageIsFresh(t *testing.T) {
	t.Parallel()
	want, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/http.md is not what the routes say; run make generate (-routes +committed):\n%s", diff)
	}
}

// Who may call a route is said from the rule that is applied.
func TestAccess_words(t *testing.T) {
	t.Parallel()
	for want, rule := range map[string]access{
		"": anyone,
		"operators of role viewer or higher, " + openapi.LocalAccess + " while the server asks for no token": view,
		"operators of role admin":                            pairing,
		"enrolled workers":                                   workerSelf,
		"operators of role operator or higher, host daemons": hostsSwitch,
	} {
		if got := rule.words(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
