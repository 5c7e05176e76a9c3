package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/engine"
)

func sample() api.Dispatch {
	return api.Dispatch{
		RunID: "trun_1", TaskID: "resize:v2", Attempt: 1, CodeVersion: 3, CodeHash: "abc",
		StorageToken: "sealed", InputPath: "standalone/trun_1/input.json",
		UpstreamRefs: json.RawMessage("{}"), PreviousAttempts: json.RawMessage("[]"),
		HeartbeatIntervalMs: 1000, TimeoutMs: 5000,
	}
}

// worker is a server on loopback that answers with h.
func worker(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func client(t *testing.T, o Options) *Client {
	t.Helper()
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// dispatched dispatches the sample and returns the refusal, nil if there is none.
func dispatched(t *testing.T, c *Client, url string) *engine.DispatchError {
	t.Helper()
	err := c.Dispatch(t.Context(), url, sample())
	if err == nil {
		return nil
	}
	var refused *engine.DispatchError
	if !errors.As(err, &refused) {
		t.Fatalf("got %T: %v, want a *engine.DispatchError", err, err)
	}
	return refused
}

func TestClient_Dispatch(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	url := worker(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"acknowledged":true,"runId":"trun_1"}`)
	})
	if refused := dispatched(t, client(t, Options{}), url+"/"); refused != nil {
		t.Fatal(refused)
	}
	if got.Method != http.MethodPost || got.RequestURI != "/tasks/resize:v2" {
		t.Errorf("got %s %s", got.Method, got.RequestURI)
	}
	got.Header.Del("Content-Length") // framing, not a header of the contract
	if diff := cmp.Diff(http.Header{"Content-Type": {"application/json"}}, got.Header); diff != "" {
		t.Error(diff)
	}
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	if members["runId"] != "trun_1" || members["upstreamRefs"] == nil || members["previousAttempts"] == nil {
		t.Errorf("got %s", body)
	}
	if _, there := members["pipelineRunId"]; there {
		t.Errorf("a standalone run names a pipeline run: %s", body)
	}
}

func TestClient_Dispatch_reusesConnections(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"acknowledged":true}`)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c := client(t, Options{})
	for range 5 {
		if refused := dispatched(t, c, s.URL); refused != nil {
			t.Fatal(refused)
		}
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("opened %d connections for 5 dispatches", got)
	}
}

func TestClient_Dispatch_answers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		body   string
		want   *engine.DispatchError
	}{
		{200, "", nil},
		{202, `{"acknowledged":true}`, nil},
		{204, "", nil},
		{400, "bad token", &engine.DispatchError{Final: true, Message: "Worker returned 400: bad token"}},
		{401, "", &engine.DispatchError{Final: true, Message: "Worker returned 401: Unauthorized"}},
		{404, `{"error":"Task 'x' not found"}`, &engine.DispatchError{Message: `Worker returned 404: {"error":"Task 'x' not found"}`}},
		{408, "", &engine.DispatchError{Message: "Worker returned 408: Request Timeout"}},
		{422, " no \n", &engine.DispatchError{Final: true, Message: "Worker returned 422: no"}},
		{425, "", &engine.DispatchError{Message: "Worker returned 425: Too Early"}},
		{429, "", &engine.DispatchError{Message: "Worker returned 429: Too Many Requests"}},
		{500, "boom", &engine.DispatchError{Message: "Worker returned 500: boom"}},
		{503, "", &engine.DispatchError{Message: "Worker returned 503: Service Unavailable"}},
		{599, "", &engine.DispatchError{Message: "Worker returned 599: no text"}},
		{500, "\xff\xfe", &engine.DispatchError{Message: "Worker returned 500: \uFFFD"}},
	}
	c := client(t, Options{})
	for _, tt := range tests {
		url := worker(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		if diff := cmp.Diff(tt.want, dispatched(t, c, url)); diff != "" {
			t.Errorf("%d: %s", tt.status, diff)
		}
	}
}

func TestClient_Dispatch_followsNoRedirect(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	other := worker(t, func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	url := worker(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other, http.StatusTemporaryRedirect)
	})
	refused := dispatched(t, client(t, Options{}), url)
	if refused == nil || !refused.Final || !strings.Contains(refused.Message, "redirects are not followed") {
		t.Errorf("got %+v", refused)
	}
	if followed.Load() {
		t.Error("the redirect was followed")
	}
}

func TestClient_Dispatch_silentWorker(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	url := worker(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // lets the server see the client leave
		<-r.Context().Done()
		close(gone)
	})
	refused := dispatched(t, client(t, Options{Timeout: 50 * time.Millisecond}), url)
	if refused == nil || refused.Final || !strings.Contains(refused.Message, "did not answer within 50ms") {
		t.Errorf("got %+v", refused)
	}
	<-gone
}

// An answer whose body does not end must hold up neither the run nor, for
// long, the dispatch.
func TestClient_Dispatch_slowBody(t *testing.T) {
	t.Parallel()
	for status, timeout := range map[int]time.Duration{
		http.StatusAccepted:            time.Minute,
		http.StatusInternalServerError: 200 * time.Millisecond,
	} {
		url := worker(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "so far")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		began := time.Now()
		refused := dispatched(t, client(t, Options{Timeout: timeout}), url)
		switch {
		case status == http.StatusAccepted && refused != nil:
			t.Errorf("an accepted dispatch failed: %v", refused)
		case status == http.StatusAccepted && time.Since(began) > 10*time.Second:
			t.Errorf("waited %s for the rest of an acceptance", time.Since(began))
		case status != http.StatusAccepted && (refused == nil || refused.Message != "Worker returned 500: so far"):
			t.Errorf("got %+v", refused)
		}
	}
}

func TestClient_Dispatch_hugeBody(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusAccepted, http.StatusBadGateway} {
		url := worker(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			block := []byte(strings.Repeat("x", 64<<10))
			for range 1000 { // ends with an error as soon as the client leaves
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		})
		refused := dispatched(t, client(t, Options{}), url)
		if (status == http.StatusAccepted) != (refused == nil) {
			t.Fatalf("%d: got %v", status, refused)
		}
		if refused != nil && len(refused.Message) > answerLimit+100 {
			t.Errorf("kept %d bytes of the answer", len(refused.Message))
		}
	}
}

func TestDispatch_E7_usesNoProxy(t *testing.T) {
	var proxied atomic.Bool
	proxy := worker(t, func(http.ResponseWriter, *http.Request) { proxied.Store(true) })
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("http_proxy", proxy)
	c := newClient(Options{}, func(context.Context, string) (string, error) { return "127.0.0.1", nil })
	t.Cleanup(c.Close)
	_ = c.Dispatch(t.Context(), "http://worker.test:1", sample())
	if proxied.Load() {
		t.Error("went through the proxy of the environment")
	}
}

func TestClient_Dispatch_unreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	refused := dispatched(t, client(t, Options{}), url)
	if refused == nil || refused.Final || !strings.HasPrefix(refused.Message, "Worker at "+url+" was not reached: ") {
		t.Errorf("got %+v", refused)
	}
}

func TestClient_Dispatch_badAddresses(t *testing.T) {
	t.Parallel()
	c := client(t, Options{})
	for _, url := range []string{
		"", "worker", "localhost:8080", "ftp://localhost/", "file:///etc/passwd", "http://", "http://u:p@localhost/",
		"http://localhost/?x=1", "http://localhost/#x", "http://[::1", "http://a b/",
	} {
		refused := dispatched(t, c, url)
		if refused == nil || !refused.Final {
			t.Errorf("%q: got %+v", url, refused)
			continue
		}
		if strings.Contains(refused.Message, "u:p") {
			t.Errorf("the message shows a password: %s", refused.Message)
		}
	}
}

// The policy is asked with what a name resolved to, not with the name.
func TestDispatch_E1_metadataBehindAName(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1"} {
		c := newClient(Options{}, func(context.Context, string) (string, error) { return ip, nil })
		t.Cleanup(c.Close)
		refused := dispatched(t, c, "http://innocent.test")
		if refused == nil || !refused.Final || !strings.HasPrefix(refused.Message, "Dispatch to http://innocent.test refused: ") {
			t.Errorf("%s: got %+v", ip, refused)
		}
	}
}

// A name may be harmless when it is registered and something else later.
func TestDispatch_E4_rebinding(t *testing.T) {
	t.Parallel()
	url := worker(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusAccepted)
	})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	ip := "127.0.0.1"
	c := newClient(Options{}, func(context.Context, string) (string, error) { return ip, nil })
	t.Cleanup(c.Close)
	if refused := dispatched(t, c, "http://innocent.test:"+port); refused != nil {
		t.Fatal(refused)
	}
	ip = "169.254.169.254"
	if refused := dispatched(t, c, "http://innocent.test:"+port); refused == nil || !refused.Final {
		t.Errorf("got %+v", refused)
	}
}

func TestDispatch_E6_addressesAndPorts(t *testing.T) {
	t.Parallel()
	own := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:3000"), netip.MustParseAddrPort("0.0.0.0:3100"), netip.MustParseAddrPort("10.1.2.3:3200")}
	workers := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd12::/64")}
	tests := []struct {
		to     string
		o      Options
		refuse string // empty: allowed
	}{
		{to: "127.0.0.1:8080"},
		{to: "[::1]:8080"},
		{to: "10.0.0.7:8080"},
		{to: "192.168.1.1:443"},
		{to: "[fd00::1]:8080"},
		{to: "93.184.216.34:443"},
		{to: "[2606:2800:220:1::1]:443"},

		{to: "169.254.169.254:80", refuse: "a cloud metadata address"},
		{to: "169.254.170.2:80", refuse: "a cloud metadata address"},
		{to: "[fd00:ec2::254]:80", refuse: "a cloud metadata address"},
		{to: "100.100.100.200:80", refuse: "a cloud metadata address"},
		{to: "[::ffff:169.254.169.254]:80", refuse: "a cloud metadata address"},
		{to: "[64:ff9b::a9fe:a9fe]:80", refuse: "a cloud metadata address"},
		{to: "[::a9fe:a9fe]:80", refuse: "a cloud metadata address"},
		{to: "[fe80::1]:80", refuse: "a link-local address"},
		{to: "[fe80::1%eth0]:80", refuse: "a link-local address"},
		{to: "0.0.0.0:80", refuse: "not the address of a host"},
		{to: "0.1.2.3:80", refuse: "not the address of a host"},
		{to: "[::]:80", refuse: "not the address of a host"},
		{to: "239.1.1.1:80", refuse: "a multicast address"},
		{to: "[ff02::1]:80", refuse: "a multicast address"},
		{to: "255.255.255.255:80", refuse: "a reserved address"},

		{to: "10.0.0.7:22", refuse: "the port of SSH"},
		{to: "10.0.0.7:25", refuse: "the port of SMTP"},
		{to: "127.0.0.1:2375", refuse: "the port of Docker"},
		{to: "127.0.0.1:5432", refuse: "the port of PostgreSQL"},
		{to: "[::1]:6379", refuse: "the port of Redis"},

		{to: "127.0.0.1:3000", o: Options{Own: own}, refuse: "the engine's own address"},
		{to: "127.0.0.9:3000", o: Options{Own: own}, refuse: "the engine's own address"},
		{to: "[::1]:3000", o: Options{Own: own}, refuse: "the engine's own address"},
		{to: "[::ffff:127.0.0.1]:3000", o: Options{Own: own}, refuse: "the engine's own address"},
		{to: "127.0.0.1:3100", o: Options{Own: own}, refuse: "the engine's own address"},
		{to: "10.1.2.3:3200", o: Options{Own: own}, refuse: "the engine's own address"},
		{to: "127.0.0.1:3200", o: Options{Own: own}},
		{to: "127.0.0.1:3001", o: Options{Own: own}},
		{to: "10.9.9.9:3000", o: Options{Own: own}},

		{to: "10.0.0.7:8080", o: Options{Allow: workers}},
		{to: "[::ffff:10.0.0.7]:8080", o: Options{Allow: workers}},
		{to: "[64:ff9b::a00:7]:8080", o: Options{Allow: workers}},
		{to: "[fd12::1]:8080", o: Options{Allow: workers}},
		{to: "10.1.0.7:8080", o: Options{Allow: workers}, refuse: "in none of the networks"},
		{to: "127.0.0.1:8080", o: Options{Allow: workers}, refuse: "in none of the networks"},
		{to: "[::1]:8080", o: Options{Allow: workers}, refuse: "in none of the networks"},
		{to: "10.0.0.7:22", o: Options{Allow: workers}, refuse: "the port of SSH"},
		{to: "169.254.169.254:80", o: Options{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, refuse: "a cloud metadata address"},
	}
	for _, tt := range tests {
		got := policy{tt.o}.check(netip.MustParseAddrPort(tt.to))
		switch {
		case tt.refuse == "" && got != nil:
			t.Errorf("%s: refused: %v", tt.to, got)
		case tt.refuse != "" && (got == nil || !strings.Contains(got.Error(), tt.refuse)):
			t.Errorf("%s: got %v, want %q", tt.to, got, tt.refuse)
		}
	}
}

// What can never be dispatched to is refused when it is registered.
func TestDispatch_E1_refusedWhenRegistered(t *testing.T) {
	t.Parallel()
	c := New(Options{Own: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:3000")}})
	t.Cleanup(c.Close)
	for _, base := range []string{
		"http://localhost:8080", "http://worker.internal", "https://worker.test/base", "http://10.0.0.7:8080/", "http://[fd00::1]:8080", "http://worker:3000",
	} {
		if err := c.CheckAddress(base); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
	// With networks given, a name is judged when it is dispatched to.
	narrow := New(Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	t.Cleanup(narrow.Close)
	for base, allowed := range map[string]bool{
		"http://worker.test:8080": true, "http://10.1.2.3:8080": true, "http://192.168.1.1:8080": false, "http://localhost:8080": false,
	} {
		if err := narrow.CheckAddress(base); (err == nil) != allowed {
			t.Errorf("%s, workers in 10.0.0.0/8: %v", base, err)
		}
	}
	for base, want := range map[string]string{
		"http://169.254.169.254/":               "a cloud metadata address",
		"https://169.254.169.254":               "a cloud metadata address",
		"http://[fd00:ec2::254]/":               "a cloud metadata address",
		"http://[::ffff:169.254.169.254]:8080":  "a cloud metadata address",
		"http://100.100.100.200":                "a cloud metadata address",
		"http://metadata.google.internal":       "a cloud metadata address",
		"http://METADATA.google.internal.:80/x": "a cloud metadata address",
		"http://0.0.0.0:8080":                   "not the address of a host",
		"http://worker.test:22":                 "the port of SSH",
		"http://10.0.0.7:5432":                  "the port of PostgreSQL",
		"http://worker.test:6379":               "the port of Redis",
		"http://worker.test:2375":               "the port of Docker",
		"http://worker.test:25":                 "the port of SMTP",
		"http://localhost:3000":                 "the engine's own address",
		"http://LOCALHOST.:3000":                "the engine's own address",
		"http://127.1.2.3:3000":                 "the engine's own address",
		"http://worker.test:0":                  "no port",
		"http://worker.test:99999":              "no port",
		"http://worker.test/?x=1":               "more than scheme",
		"http://worker.test/#x":                 "more than scheme",
		"http://user:pw@worker.test":            "more than scheme",
		"file:///etc/passwd":                    "not a URL",
		"ftp://worker.test":                     "neither http nor https",
	} {
		if err := c.CheckAddress(base); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") && !strings.Contains(base, "passwd") {
			t.Errorf("%s: got %v, want %q", base, err, want)
		}
	}
}

// What a worker answers becomes an error text that people read in terminals,
// logs and pages.
func TestDispatch_E9_errorBodies(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	t.Cleanup(c.Close)
	for body, want := range map[string]string{
		"plain text, grüße\n":                  "plain text, grüße",
		"\x1b[2J\x1b]0;owned\x07gone":          "\uFFFD[2J\uFFFD]0;owned\uFFFDgone",
		"a\x00b\x7f\u009b31m":                  "a\uFFFDb\uFFFD\uFFFD31m",
		"two\r\nlines\tand a tab":              "two\nlines\tand a tab",
		"\u202egnp.exe\u2066":                  "\uFFFDgnp.exe\uFFFD",
		"\xff\xfe":                             "\uFFFD",
		"<script>alert(1)</script>":            "<script>alert(1)</script>", // escaped where it is shown
		strings.Repeat("root:x:0:0\n", 10_000): "root:x:0:0\nroot",
	} {
		url := worker(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(body))
		})
		refused := dispatched(t, c, url)
		if refused == nil || !strings.HasPrefix(refused.Message, "Worker returned 500: "+want) {
			t.Errorf("%.40q: got %.200q", body, refused)
			continue
		}
		if len(refused.Message) > answerLimit+100 {
			t.Errorf("%.40q: %d bytes were kept", body, len(refused.Message))
		}
	}
}
