package localclient

import (
	"net/http"
	"testing"
	"time"
)

type deadlines map[string]time.Duration

func (d deadlines) RoundTrip(r *http.Request) (*http.Response, error) {
	at, _ := r.Context().Deadline()
	d[r.Method] = time.Until(at)
	return nil, http.ErrServerClosed
}

// The daemon answers a stop after up to half a minute of waiting for the
// worker: a client that gives up before calls a success a failure.
func TestClient_waitsForActions(t *testing.T) {
	t.Parallel()
	seen := deadlines{}
	c := New("http://127.0.0.1:1", "oct_x")
	c.http.Transport = seen
	if _, err := c.Act(t.Context(), "w1", "stop"); err == nil {
		t.Error("no daemon, no error")
	}
	if _, err := c.Workers(t.Context()); err == nil {
		t.Error("no daemon, no error")
	}
	if seen[http.MethodPost] < 2*time.Minute || seen[http.MethodGet] > time.Minute {
		t.Errorf("patience %v", seen)
	}
}
