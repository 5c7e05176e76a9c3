package localapi

import (
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/internal/httpkit"
	"pipedai/internal/testkit/apicheck"
)

// described returns the document of this package's routes, for tests that hold
// answers against it.
var described = func() func(testing.TB) *apicheck.Checker {
	made := sync.OnceValues(func() (*apicheck.Checker, error) {
		document, err := (&Server{kit: &httpkit.Kit{}}).description().JSON()
		if err != nil {
			return nil, err
		}
		checker, err := apicheck.New(document)
		if err == nil {
			checker.Exact = true
		}
		return checker, err
	})
	return func(t testing.TB) *apicheck.Checker {
		t.Helper()
		checker, err := made()
		if err != nil {
			t.Fatal(err)
		}
		return checker
	}
}()

// A route that nobody described must not be served, and a description of a
// route that is gone must not stay.
func TestReference_everyRoute(t *testing.T) {
	t.Parallel()
	s := &Server{kit: &httpkit.Kit{}}
	if err := s.undescribed(); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, rt := range s.table() {
		if seen[rt.pattern()] {
			t.Errorf("%s is there twice", rt.pattern())
		}
		seen[rt.pattern()] = true
	}
}

// The page that people read is committed; it must be what the routes say.
func TestReference_committedPageIsFresh(t *testing.T) {
	t.Parallel()
	want, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/local-api.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/local-api.md is not what the routes say; run make generate (-routes +committed):\n%s", diff)
	}
}
