package localapi

import (
	"net/http"
	"testing"
)

func TestConnectivity_tail(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	if got, err := f.client.Connectivity(t.Context(), 2); err != nil || len(got.History) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	for query, want := range map[string]int{
		"": 200, "?tail=": 200, "?tail=2000": 200, "?tail=0": 400, "?tail=-5": 400, "?tail=abc": 400, "?tail=2001": 400,
	} {
		if status, _, body := f.ask(t, f.plain("GET", "/api/connectivity"+query)); status != want {
			t.Errorf("%q: %d, want %d: %s", query, status, want, body)
		}
	}
	if status, _, _ := f.ask(t, f.plain("GET", "/api/connectivity", "Authorization:")); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
}
