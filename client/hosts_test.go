package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pipedai/api"
)

func TestWorkers_pages(t *testing.T) {
	t.Parallel()
	var asked []string
	endless := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.EscapedPath()+"?"+r.URL.RawQuery)
		page := api.RemoteWorkers{Items: []api.RemoteWorker{{ID: fmt.Sprint("w", len(asked))}}}
		next := "a b/&?"
		if endless || r.URL.Query().Get("cursor") == "" {
			page.NextCursor = &next
		} else if r.URL.Query().Get("cursor") != next {
			t.Errorf("cursor %q", r.URL.RawQuery)
		}
		_ = json.NewEncoder(w).Encode(page)
	}))
	defer server.Close()
	c := New(server.URL, Options{HTTP: server.Client()})
	rows, err := c.Workers(t.Context(), "ws/../1")
	if err != nil || len(rows) != 2 || rows[1].ID != "w2" {
		t.Errorf("%+v, %v", rows, err)
	}
	if asked[0] != "/api/v1/workspaces/ws%2F..%2F1/workers?" {
		t.Errorf("asked %s", asked[0])
	}
	endless, asked = true, nil
	if rows, err = c.Workers(t.Context(), ".."); err == nil || len(asked) > 3 {
		t.Errorf("a list without an end gave %d rows after %d pages", len(rows), len(asked))
	}
	if asked[0] != "/api/v1/workspaces/%2E%2E/workers?" {
		t.Errorf("asked %s", asked[0])
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "abc": 0, "-5": 0, "7": 7 * time.Second, "99999999": time.Hour, "99999999999999999999": 0,
		"Wed, 01 Jul 2026 10:00:30 GMT": 30 * time.Second, "Wed, 01 Jul 2026 09:00:00 GMT": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
