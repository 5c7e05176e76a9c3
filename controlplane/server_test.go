package controlplane

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/client"
	"pipedai/engine"
	"pipedai/engine/dispatch"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/internal/testkit/apicheck"
	"pipedai/storage"
	"pipedai/storage/all"
	"pipedai/store"
	"pipedai/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = secret.Text("0123456789abcdef0123456789abcdef")

// clock is the server's time, moved by tests.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// refuser is a dispatcher that reaches nobody: runs stay where they are.
type refuser struct{}

// CheckAddress judges as the real one does.
func (refuser) CheckAddress(baseURL string) error {
	c := dispatch.New(dispatch.Options{})
	defer c.Close()
	return c.CheckAddress(baseURL)
}

func (refuser) Dispatch(context.Context, string, api.Dispatch) error {
	return &engine.DispatchError{Message: "nobody there"}
}

// bench is a server over a real database and real storage, and what tests
// need to talk to it.
type bench struct {
	*Server
	t       testing.TB
	checker *apicheck.Checker
	clock   *clock
	bucket  storage.Bucket
	operate secret.Text // of role operator
	view    secret.Text // of role viewer
	admin   secret.Text
}

func newBench(t testing.TB, change ...func(*Options)) *bench {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	return newBenchOver(t, st, change...)
}

// newBenchOver is newBench over an empty store, which it closes.
func newBenchOver(t testing.TB, st store.Store, change ...func(*Options)) *bench {
	t.Helper()
	return newBenchOn(t, st, func(b storage.Bucket) storage.Bucket { return b }, change...)
}

// newBenchWith is newBench with a bucket that is made of the real one.
func newBenchWith(t testing.TB, wrap func(storage.Bucket) storage.Bucket) *bench {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), sqlite.Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	return newBenchOn(t, st, wrap)
}

func newBenchOn(t testing.TB, st store.Store, wrap func(storage.Bucket) storage.Bucket, change ...func(*Options)) *bench {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	config := storage.Config{
		ID: "local", Provider: "local", Endpoint: "file://", Bucket: "data",
		Credentials: storage.Credentials{"basePath": filepath.Join(dir, "storage"), "password": "bucket-password"},
	}
	bucket, err := all.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	bucket = wrap(bucket)
	e, err := engine.New(st, refuser{}, engine.Options{
		Secret: testSecret, Mode: engine.Serverless, Backends: []engine.Backend{{Config: config, Bucket: bucket}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, clock: &clock{at: time.Now()}, bucket: bucket}
	o := Options{
		Engine: e, Hosts: []string{"127.0.0.1:3000", "localhost:3000"},
		Console: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "the console") }),
		Secret:  testSecret, Version: "1.2.3", Build: "b1", Mode: "standalone", MaxConcurrency: 10, PollInterval: time.Second,
		Backends: []storage.Config{config}, DefaultBackend: "local",
		StreamCheck: 20 * time.Millisecond, Now: b.clock.Now,
	}
	for _, f := range change {
		f(&o)
	}
	if b.Server, err = New(o); err != nil {
		t.Fatal(err)
	}
	b.checker = described(t)
	b.admin, b.operate, b.view = b.token(roleAdmin), b.token(roleOperator), b.token(roleViewer)
	return b
}

// described checks answers against the server's own description.
var described = func() func(testing.TB) *apicheck.Checker {
	made := sync.OnceValues(func() (*apicheck.Checker, error) {
		document, err := (&Server{kit: &httpkit.Kit{}}).description().JSON()
		if err != nil {
			return nil, err
		}
		return apicheck.New(document)
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

// ServeHTTP serves, and fails the test when an answer is not as the server
// describes itself.
func (b *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.checker.Wrap(b.Server, func(err error) { b.t.Errorf("undocumented answer: %v", err) }).ServeHTTP(w, r)
}

func (b *bench) workspace() store.Workspace {
	b.t.Helper()
	ws, err := b.st.DefaultWorkspace(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return ws
}

// token makes an operator token that, like the server's own, leaves the server
// open to local programs.
func (b *bench) token(role string) secret.Text {
	b.t.Helper()
	token := secret.New(kindOperator)
	err := b.st.CreateToken(b.t.Context(), store.Token{
		Hash: token.Hash(), Kind: kindOperator, Role: role, Name: store.BootstrapToken, Workspace: b.workspace().ID, LastFour: "0000",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// poolRead makes a token that lists the pool.
func (b *bench) poolRead() secret.Text {
	b.t.Helper()
	var made api.CreatedToken
	b.as(b.admin, "POST", "/api/v1/tokens", `{"name":"lister","kind":"pop"}`, 200, &made)
	return secret.Text(made.Secret)
}

// do sends one request through the whole chain.
func (b *bench) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, "http://127.0.0.1:3000/", strings.NewReader(body))
	target, err := url.ParseRequestURI(path)
	if err != nil {
		b.t.Fatal(err)
	}
	r.URL = target
	r.RemoteAddr = "192.0.2.1:999"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func bearer(token secret.Text) []string { return []string{"Authorization", "Bearer " + token.Reveal()} }

// as sends a request with a token and decodes the answer, which must have the
// status given.
func (b *bench) as(token secret.Text, method, path, body string, status int, out any) {
	b.t.Helper()
	w := b.do(method, path, body, bearer(token)...)
	if w.Code != status {
		b.t.Fatalf("%s %s: got %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			b.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
}

// serve puts the server on a port of its own and returns a client of it.
func (b *bench) serve(token secret.Text) *client.Client {
	b.t.Helper()
	// The guard knows one port; the transport makes every call look like it.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "127.0.0.1:3000"
		b.ServeHTTP(w, r)
	}))
	transport := &http.Transport{}
	b.t.Cleanup(func() {
		b.Drain()
		transport.CloseIdleConnections()
		server.Close()
	})
	return client.New(server.URL, client.Options{Token: token, HTTP: &http.Client{Transport: transport}})
}

// enroll brings a host in and returns its credentials.
func (b *bench) enroll(hostname string) api.RedeemResult {
	b.t.Helper()
	var code api.IssuedCode
	b.as(b.admin, "POST", "/api/v1/enrollments/codes", `{}`, http.StatusCreated, &code)
	w := b.do("POST", "/api/v1/enrollments/redeem", `{"code":"`+code.Code+`","hostname":"`+hostname+`","os":"linux","version":"1.0.0"}`)
	if w.Code != http.StatusOK {
		b.t.Fatalf("redeem: got %d %s", w.Code, w.Body)
	}
	var out api.RedeemResult
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// pdf is a service of four tasks: one entry, two branches, a join.
const pdf = `{"serviceId":"pdf","version":"1.0.0","baseUrl":"http://localhost:8080/","tasks":[
	{"id":"download","codeHash":"d1","allowedNext":["text","tables"]},
	{"id":"text","codeHash":"t1","allowedNext":["summarize"],"retries":0},
	{"id":"tables","codeHash":"a1","allowedNext":["summarize"]},
	{"id":"summarize","codeHash":"s1"}]}`

// pulled is a service that workers pull.
const pulled = `{"serviceId":"pulled","version":"1.0.0","tasks":[{"id":"fetch","codeHash":"f1","allowedNext":["keep"]},{"id":"keep","codeHash":"k1","retries":0}]}`

func (b *bench) post(path, body string, out any) {
	b.t.Helper()
	w := b.do("POST", path, body)
	if w.Code != http.StatusOK {
		b.t.Fatalf("POST %s: got %d %s", path, w.Code, w.Body)
	}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			b.t.Fatal(err)
		}
	}
}

func clientToken(text string) secret.Text { return secret.Text(text) }
