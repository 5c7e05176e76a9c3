package connectivity

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"pipedai/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func direct(*http.Request) (*url.URL, error) { return nil, nil }

func number[T any](n T) *T { return &n }

func TestVerdict(t *testing.T) {
	t.Parallel()
	up, down := api.Probe{OK: true}, api.Probe{}
	tests := []struct {
		name     string
		api      []api.Probe
		internet api.Internet
		want     string
	}{
		{"no control plane, internet", nil, api.Internet{OK: true}, api.VerdictOnline},
		{"no control plane, no internet", nil, api.Internet{}, api.VerdictOffline},
		{"no control plane, nobody asked", nil, api.Internet{Off: true}, api.VerdictUnknown},
		{"one control plane of two, no internet", []api.Probe{down, up}, api.Internet{}, api.VerdictOnline},
		{"none of them, internet", []api.Probe{down, down}, api.Internet{OK: true}, api.VerdictAPIUnreachable},
		{"none of them, no internet", []api.Probe{down}, api.Internet{}, api.VerdictOffline},
		{"none of them, nobody else asked", []api.Probe{down}, api.Internet{Off: true}, api.VerdictAPIUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := verdict(api.ConnectivitySample{API: tt.api, Internet: tt.internet}); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// The probes ask real servers: one that is well, one that fails, the login page
// of a captive portal, one that never answers, and nobody.
func TestProbe_againstServers(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/ok/api/v1/health", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "*/*" || r.Method != http.MethodGet || r.Header.Get("Authorization") != "" {
			t.Errorf("asked with %s %v", r.Method, r.Header)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
	})
	mux.HandleFunc("/broken/api/v1/health", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/portal/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/ok/api/v1/health", http.StatusFound)
	})
	mux.HandleFunc("/hang/", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(hang)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + listener.Addr().String()
	_ = listener.Close()

	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // sooner than the limit of a probe
	defer cancel()
	sample := probeAll(ctx, probeClient(direct), []string{
		server.URL + "/ok//", server.URL + "/ok", server.URL + "/broken", server.URL + "/portal", server.URL + "/hang", nobody,
	}, nil)
	if len(sample.API) != 5 || sample.Verdict != api.VerdictOnline {
		t.Fatalf("sample %+v", sample)
	}
	for i, want := range []struct {
		ok     bool
		status int
		err    string
	}{{true, 200, ""}, {false, 500, ""}, {false, 302, ""}, {false, 0, "no answer in time"}, {false, 0, "connection refused"}} {
		p := sample.API[i]
		if p.OK != want.ok || !strings.Contains(p.Error, want.err) || (want.err == "") != (p.Error == "") {
			t.Errorf("%s: %+v", p.URL, p)
		}
		if (p.Status == nil) != (want.status == 0) || p.Status != nil && *p.Status != want.status || (p.LatencyMs == nil) != (p.Status == nil) {
			t.Errorf("%s: status %v, latency %v", p.URL, p.Status, p.LatencyMs)
		}
	}
	if strings.HasSuffix(sample.API[0].URL, "/") {
		t.Errorf("url %s", sample.API[0].URL)
	}
	if !sample.Internet.Off || sample.Internet.OK {
		t.Errorf("internet %+v", sample.Internet)
	}
	// What goes over the wire is what older clients read.
	var wire map[string]any
	data, _ := json.Marshal(sample)
	if err := json.Unmarshal(data, &wire); err != nil {
		t.Fatal(err)
	}
	hanging := wire["api"].([]any)[3].(map[string]any)
	if v, there := hanging["latencyMs"]; v != nil || !there {
		t.Errorf("a probe without an answer reads %v", hanging)
	}
}

func TestProbe_proxyIsUsed(t *testing.T) {
	t.Parallel()
	proxied := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { proxied <- r.URL.String() }))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	sample := probeAll(t.Context(), probeClient(http.ProxyURL(through)), []string{"http://control-plane.test"}, nil)
	if got := <-proxied; got != "http://control-plane.test/api/v1/health" || !sample.API[0].OK {
		t.Errorf("the proxy was asked for %s: %+v", got, sample)
	}
}

func TestBest(t *testing.T) {
	t.Parallel()
	slow := api.Probe{OK: true, LatencyMs: number(int64(30)), Status: number(204)}
	fast := api.Probe{OK: true, LatencyMs: number(int64(3)), Status: number(204)}
	portal := api.Probe{LatencyMs: number(int64(1)), Status: number(302)}
	dead := api.Probe{Error: "refused"}
	for name, tt := range map[string]struct {
		targets []api.Probe
		want    api.Internet
	}{
		"fastest that is well": {[]api.Probe{portal, slow, dead, fast}, api.Internet{OK: true, LatencyMs: number(int64(3)), Status: number(204)}},
		"none is well":         {[]api.Probe{dead, portal}, api.Internet{Error: "refused"}},
		"nobody asked":         {nil, api.Internet{Off: true, Error: "switched off"}},
	} {
		if diff := cmp.Diff(tt.want, best(tt.targets)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseInternet(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"off": 0, " OFF ": 0, "https://a.test/x": 1, "https://a.test, http://b.test/204": 2} {
		if got, err := ParseInternet(text); err != nil || len(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a.test", "ftp://a.test", "https://a.test,", "https://u:p@a.test", strings.Repeat("https://a.test,", 20) + "https://a.test"} {
		if got, err := ParseInternet(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

// stub answers probes with verdicts, one after the other, then the last again.
type stub struct {
	mu       sync.Mutex
	verdicts []string
	at       []time.Time
	told     []string
	samples  int
}

func (s *stub) look(context.Context, []string, []string) api.ConnectivitySample {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
	v := s.verdicts[min(len(s.at), len(s.verdicts))-1]
	return api.ConnectivitySample{TS: time.Now().UnixMilli(), Verdict: v, API: []api.Probe{}}
}

func run(t *testing.T, s *stub, file string, test func(m *Monitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{
			Planes: func(context.Context) ([]string, error) { return []string{"https://a.test"}, nil }, File: file,
			Internet: DefaultInternet,
			OnSample: func(api.ConnectivitySample) { s.samples++ },
			OnVerdict: func(from string, sample api.ConnectivitySample) {
				s.told = append(s.told, from+" to "+sample.Verdict)
			},
		})
		m.look = s.look
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		if v := m.State(10).Current.Verdict; v != api.VerdictUnknown {
			t.Errorf("before the first probe: %s", v)
		}
		go func() { ended <- m.Run(ctx) }()
		test(m)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestMonitor_paceAndChanges(t *testing.T) {
	t.Parallel()
	s := &stub{verdicts: []string{"online", "online", "offline", "offline", "api-unreachable", "online"}}
	file := filepath.Join(t.TempDir(), "connectivity.log")
	run(t, s, file, func(m *Monitor) {
		began := time.Now()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		state := m.State(3)
		if state.Current.Verdict != "online" || len(state.History) != 3 {
			t.Errorf("state %+v", state)
		}
		if len(s.at) != 10 || !s.at[0].Equal(began) || s.at[1].Sub(s.at[0]) != 20*time.Second {
			t.Errorf("probed at %v", s.at)
		}
		if s.samples != 10 {
			t.Errorf("%d samples were published", s.samples)
		}
		want := []string{"unknown to online", "online to offline", "offline to api-unreachable", "api-unreachable to online"}
		if diff := cmp.Diff(want, s.told); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	})
	samples, err := Read(file)
	if err != nil || len(samples) != 10 || samples[2].Verdict != "offline" {
		t.Errorf("recorded %d, %v", len(samples), err)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// The next daemon knows what this one saw, and that it has not looked yet.
	run(t, &stub{verdicts: []string{"offline"}}, file, func(m *Monitor) {
		synctest.Wait()
		if state := m.State(500); len(state.History) != 11 || state.Current.Verdict != "offline" {
			t.Errorf("after a restart: %d in the ring, %+v", len(state.History), state.Current)
		}
	})
}

func TestMonitor_ringIsBounded(t *testing.T) {
	t.Parallel()
	s := &stub{verdicts: []string{"online"}}
	run(t, s, filepath.Join(t.TempDir(), "connectivity.log"), func(m *Monitor) {
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		history := m.State(2000).History
		if len(history) != ringSize || history[ringSize-1].TS <= history[0].TS {
			t.Errorf("%d in the ring", len(history))
		}
	})
}

func line(ts int) string {
	return fmt.Sprintf(`{"ts":%d,"verdict":"online","api":[],"internet":{"ok":true}}`, ts)
}

func TestHistory_rotatesAndIsReadWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connectivity.log")
	filler := strings.Repeat("x", 1000) + "\n"
	old := line(1) + "\n" + strings.Repeat(filler, maxHistoryFile/len(filler)+1) + line(2) + "\n"
	if err := os.WriteFile(path, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	h := &historyFile{path: path}
	for ts := range 3 {
		if err := h.add(api.ConnectivitySample{TS: int64(ts + 3), Verdict: "online"}); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Size() != int64(len(old)) || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("set aside: %v, %v", info, err)
	}
	all, err := Read(path)
	if err != nil || len(all) != 5 || all[0].TS != 1 || all[4].TS != 5 {
		t.Errorf("read %+v, %v", all, err)
	}
	newest, err := ReadTail(path, 4)
	if err != nil || len(newest) != 4 || newest[0].TS != 2 {
		t.Errorf("newest %+v, %v", newest, err)
	}
}

// A daemon that was killed, or a full disk, leaves half a line; the next sample
// must not be lost with it.
func TestHistory_afterATornLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connectivity.log")
	if err := os.WriteFile(path, []byte(line(1)+"\n"+line(2)[:20]), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (&historyFile{path: path}).add(api.ConnectivitySample{TS: 3, Verdict: "offline"}); err != nil {
		t.Fatal(err)
	}
	all, err := Read(path)
	if err != nil || len(all) != 2 || all[0].TS != 1 || all[1].TS != 3 {
		t.Errorf("read %+v, %v", all, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v was not tightened (%v)", info.Mode(), err)
	}
}

func TestHistory_notAPlainFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "connectivity.log")
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), path); err != nil {
		t.Fatal(err)
	}
	if err := (&historyFile{path: path}).add(api.ConnectivitySample{TS: 3}); err == nil {
		t.Error("a link was followed")
	}
	if _, err := Read(path); err == nil {
		t.Error("a link was read")
	}
}
