package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"pipedai/enroll"
	"pipedai/manifest"
)

// A pool worker is switched with its own token: this host's credential may do
// nothing with it. What only the pool's operators may do is refused with what
// can be done here instead, and changes nothing.
func TestAct_55_poolWorker(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "able") {
			http.Error(w, `{"error":"not_found"}`, http.StatusNotFound)
			return
		}
		mu.Lock()
		calls = append(calls, r.URL.Path+" "+r.Header.Get("Authorization"))
		mu.Unlock()
	}))
	t.Cleanup(server.Close)
	dir := newHome(t, server.URL)
	path := dir.WorkerConfig("p1")
	if err := enroll.WriteWorkerFile(path, enroll.WorkerFile{WorkerID: "p1", WorkerToken: "wkt_its-own-token", APIURL: server.URL, IsPool: true}); err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	err = m.Upsert(t.Context(), manifest.Entry{
		ID: "p1", Label: "pooled", APIURL: server.URL, ConfigPath: path, Mode: manifest.ModePool, Running: true, Enabled: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, testOptions(dir))
	d.pid(t, "p1")
	for _, verb := range []string{"disable", "enable"} {
		if _, err := d.Act(t.Context(), "p1", verb); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
	}
	mu.Lock()
	got := strings.Join(calls, ", ")
	mu.Unlock()
	if want := "/api/v1/pool-workers/p1/self-disable Bearer wkt_its-own-token, /api/v1/pool-workers/p1/self-enable Bearer wkt_its-own-token"; got != want {
		t.Errorf("asked %s\nwant %s", got, want)
	}
	_, err = d.Delete(t.Context(), "p1")
	if answer := asAPI(t, err); answer.Status != http.StatusConflict || !strings.Contains(answer.Fix, "stop p1") {
		t.Errorf("delete: %+v", answer)
	}
	d.pid(t, "p1")
}
