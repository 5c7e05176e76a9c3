package engine

import (
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/store"
)

// Every failure has a text that a row holds, and the code by which workers mean
// "do not retry" that cannot say it is taken for it.
func TestSettled(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		given store.Failure
		error string
		final bool
	}{
		"says nothing":  {store.Failure{}, "Unknown error", false},
		"bad selection": {store.Failure{Code: api.CodeInvalidNextTasks, Error: "x"}, "x", true},
		"must not be":   {store.Failure{Final: true, Error: "x"}, "x", true},
		"too long":      {store.Failure{Error: strings.Repeat("ä", 64<<10)}, strings.Repeat("ä", (64<<10-3)/2) + "…", false},
	} {
		given := tc.given
		got := settled(store.EndAttempt{Failure: &given}).Failure
		if got.Final != tc.final || got.Error != tc.error {
			t.Errorf("%s: got %v, %.40s", name, got.Final, got.Error)
		}
		if given.Final != tc.given.Final || given.Error != tc.given.Error {
			t.Errorf("%s: the caller's failure was changed", name)
		}
	}
	if got := settled(store.EndAttempt{}); got.Failure != nil {
		t.Errorf("got %+v for a success", got.Failure)
	}
}
