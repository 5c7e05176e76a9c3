package controlplane

import (
	"testing"

	"pipedai/api"
)

// A worker that says "do not retry" is believed, and so is the one code by
// which workers that cannot say it mean it.
func TestEnding_notRetryable(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, tc := range map[string]struct {
		req   api.CallbackRequest
		final bool
	}{
		"says nothing":  {api.CallbackRequest{}, false},
		"may be tried":  {api.CallbackRequest{Retryable: &yes}, false},
		"must not be":   {api.CallbackRequest{Retryable: &no}, true},
		"bad selection": {api.CallbackRequest{ErrorCode: api.CodeInvalidNextTasks}, true},
	} {
		tc.req.Status = "failed"
		end := ending(t.Context(), "trun_a.2", tc.req)
		if end.Failure == nil || end.Failure.Final != tc.final || end.Failure.Error == "" || end.Attempt != 2 {
			t.Errorf("%s: got attempt %d, %+v", name, end.Attempt, end.Failure)
		}
	}
}
