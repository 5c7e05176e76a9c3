package controlplane

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/store/sqlite"
)

// everySecret makes one token of every kind there is, and uses those that can
// be traded.
func (b *bench) everySecret() map[string]string {
	b.t.Helper()
	out := map[string]string{"admin": b.admin.Reveal(), "shared": testSecret.Reveal(), "bucket": "bucket-password"}
	for _, kind := range []string{"pop", "pool", "wrk", "enr"} {
		var made api.CreatedToken
		b.as(b.admin, "POST", "/api/v1/tokens", `{"name":"x","kind":"`+kind+`"}`, 200, &made)
		out[kind] = made.Secret
	}
	start, err := b.serve("").DeviceStart(b.t.Context(), api.DeviceStartRequest{})
	if err != nil {
		b.t.Fatal(err)
	}
	host := b.enroll("box")
	out["device"], out["wkt"], out["hos"] = start.DeviceCode, host.WorkerToken, host.OperatorToken
	return out
}

// TestTokens_T5_atRest: whoever gets the database with all its files, and the
// object store, has no credential: tokens are there as hashes.
func TestTokens_T5_atRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st, err := sqlite.Open(t.Context(), filepath.Join(dir, "test.db"), sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	b := newBenchOver(t, st)
	secrets := b.everySecret()
	b.post("/api/register", pdf, nil)
	b.post("/api/pipelines/pdf/trigger", `{"pdfUrl":"file:///x.pdf"}`, nil)
	looked := 0
	for _, root := range []string{dir} {
		if err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			looked++
			for name, text := range secrets {
				if bytes.Contains(data, []byte(text)) {
					t.Errorf("%s holds the %s secret", filepath.Base(path), name)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if looked == 0 {
		t.Error("there was nothing to look at")
	}
	for _, path := range b.objects() {
		r := b.do("GET", "/api/storage/"+path+"?raw=1", "", bearer(b.admin)...)
		for name, text := range secrets {
			if strings.Contains(r.Body.String(), text) {
				t.Errorf("object %s holds the %s secret", path, name)
			}
		}
	}
}

// TestTokens_T8_readOnly: whoever may only read is sent no value of a
// credential, by no route that they may read.
func TestTokens_T8_readOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secrets := b.everySecret()
	b.post("/api/register", pdf, nil)
	read := 0
	for _, route := range b.routes() {
		method, path, _ := strings.Cut(route.pattern, " ")
		if method != http.MethodGet || strings.HasSuffix(path, "/stream") {
			continue
		}
		path = strings.NewReplacer("{ws}", "ws_default", "{id}", "pdf", "{path...}", "x").Replace(path)
		if strings.Contains(path, "{") {
			path = path[:strings.Index(path, "{")] + "x"
		}
		w := b.do(method, path, "", bearer(b.view)...)
		read++
		for name, text := range secrets {
			if strings.Contains(w.Body.String(), text) {
				t.Errorf("%s tells a viewer the %s secret", route.pattern, name)
			}
		}
	}
	if read < 20 {
		t.Errorf("read only %d routes", read)
	}
}

// TestTokens_T9_faults: no secret is in an answer or a log line when something
// goes wrong at the most talkative level, nor in metrics or the description of
// the interface; there is no profiler.
func TestTokens_T9_faults(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	b := newBench(t, func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	secrets := b.everySecret()
	var said strings.Builder
	for name, text := range secrets {
		for _, try := range [][2]string{
			{"POST", "/api/v1/enrollments/redeem"}, {"POST", "/api/v1/workers/register"}, {"POST", "/api/v1/tokens"}, {"GET", "/api/runs"}, {"POST", "/api/dlq/purge"},
		} {
			body := `{"code":"` + text + `","token":"` + text + `","hostname":7,"role":"` + name + `","olderThan":"` + name + `"}`
			said.WriteString(b.do(try[0], try[1], body, "Authorization", "Bearer "+text+"x").Body.String())
		}
		said.WriteString(b.do("GET", "/api/none?token="+text, "", "Referer", "http://127.0.0.1:3000/?token="+text).Body.String())
	}
	for _, path := range []string{"/metrics", "/api/openapi.json", "/api/info", "/health"} {
		said.WriteString(b.do("GET", path, "").Body.String())
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		if w := b.do("GET", path, ""); strings.Contains(w.Body.String(), "goroutine") || strings.Contains(w.Body.String(), "memstats") {
			t.Errorf("%s is there: %.80s", path, w.Body)
		}
	}
	for name, text := range secrets {
		if strings.Contains(said.String(), text) {
			t.Errorf("an answer holds the %s secret", name)
		}
		if strings.Contains(log.String(), text) {
			t.Errorf("the log holds the %s secret", name)
		}
	}
}

// TestEnrollments_D9_codeIsForOneHost: a code admits one host, once, into its
// own workspace, and is no token for anything else.
func TestEnrollments_D9_codeIsForOneHost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ws, boss := b.tenant("research", "api_key")
	issue := func() api.CreatedToken {
		t.Helper()
		var made api.CreatedToken
		b.as(boss, "POST", "/api/v1/tokens", `{"name":"ci","kind":"enr"}`, 200, &made)
		return made
	}
	redeem := func(code string) (api.RedeemResult, error) {
		return b.serve("").Redeem(t.Context(), api.RedeemRequest{Code: code, Hostname: "box", OS: "linux", Version: "1"})
	}
	code := issue()
	for _, path := range []string{"/api/runs", "/api/v1/session", "/api/v1/tokens", "/api/v1/workspaces/" + ws.ID + "/workers"} {
		b.as(secret.Text(code.Secret), "GET", path, "", 401, nil)
	}
	b.as(secret.Text(code.Secret), "POST", "/api/v1/workers/self/claim", `{"serviceId":"x","max":1,"waitMs":0}`, 401, nil)
	host, err := redeem(code.Secret)
	if err != nil || host.WorkspaceID != ws.ID {
		t.Fatalf("redeemed %+v, %v", host, err)
	}
	if _, err := redeem(code.Secret); err == nil {
		t.Error("the code works twice")
	} else if status, word := refused(t, err); status != 409 || word != "already_consumed" {
		t.Errorf("again: %d %s", status, word)
	}
	b.as(boss, "DELETE", "/api/v1/tokens/"+code.ID, "", 409, nil)

	// Another workspace neither sees nor ends it; revoked, it admits nobody.
	second := issue()
	_, stranger := b.tenant("strangers", "api_key")
	b.as(stranger, "DELETE", "/api/v1/tokens/"+second.ID, "", 404, nil)
	b.as(boss, "DELETE", "/api/v1/tokens/"+second.ID, "", 200, nil)
	if _, err := redeem(second.Secret); err == nil {
		t.Error("a revoked code works")
	} else if status, word := refused(t, err); status != 403 || word != "access_denied" {
		t.Errorf("revoked: %d %s", status, word)
	}

	// What the host got is for its workers, and for no other workspace or user API.
	hosted := secret.Text(host.OperatorToken)
	b.as(hosted, "GET", "/api/v1/workspaces/ws_default/workers", "", 403, nil)
	b.as(hosted, "GET", "/api/v1/tokens", "", 403, nil)
	b.as(hosted, "GET", "/api/runs", "", 403, nil)
	b.as(hosted, "POST", "/api/v1/enrollments/codes", "{}", 403, nil)
}

// syncBuffer is written to by many goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
