package controlplane

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"pipedai/internal/secret"
	"pipedai/store"
)

// TestTokens_revokedElsewhere: a token that another replica revokes ends what it
// holds open here, and is refused from then on, within five seconds.
func TestTokens_revokedElsewhere(t *testing.T) {
	t.Parallel()
	const within = 5 * time.Second
	b := newBench(t, func(o *Options) { o.StreamCheck = 0; o.Now = time.Now }) // the pace of a real server
	token := secret.New(kindOperator)
	record := store.Token{Hash: token.Hash(), Kind: kindOperator, Role: roleViewer, Name: "watcher", Workspace: store.MainWorkspace}
	if err := b.st.CreateToken(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(rehosted(b.Server))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream answers %d", resp.StatusCode)
	}
	// The other replica has only the database in common.
	if _, err := b.st.RevokeToken(t.Context(), store.MainWorkspace, record.ID()); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
	}
	if took := time.Since(revoked); took > within {
		t.Errorf("the stream ended after %s, want within %s", took, within)
	}
	if w := b.do("GET", "/api/runs", "", bearer(token)...); w.Code != http.StatusUnauthorized && time.Since(revoked) > within {
		t.Errorf("the token still opens: %d", w.Code)
	}
}

// rehosted lets a test server of any port speak for the names that a bench
// answers to.
func rehosted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "127.0.0.1:3000"
		next.ServeHTTP(w, r)
	})
}
