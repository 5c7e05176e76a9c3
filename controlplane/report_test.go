package controlplane

import (
	"testing"

	"pipedai/api"
)

// A worker that says "do not retry" is believed.
func TestEnding_notRetryable(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, tc := range map[string]struct {
		retryable *bool
		final     bool
	}{
		"says nothing": {nil, false},
		"may be tried": {&yes, false},
		"must not be":  {&no, true},
	} {
		end := ending(t.Context(), "trun_a.2", api.CallbackRequest{Status: "failed", Retryable: tc.retryable})
		if end.Failure == nil || end.Failure.Final != tc.final || end.Attempt != 2 {
			t.Errorf("%s: got attempt %d, %+v", name, end.Attempt, end.Failure)
		}
	}
}
