package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
)

func TestConnectivity_history(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	tm.run(t, "connectivity").want(t, 0, "Nothing is recorded", "connectivity --check")
	if r := tm.run(t, "connectivity", "--json"); r.code != 0 || r.out != "" {
		t.Errorf("--json without a record: %d %q", r.code, r.out)
	}
	if _, err := os.Stat(tm.home); !errors.Is(err, os.ErrNotExist) {
		t.Error("looking created the home")
	}

	if err := os.MkdirAll(tm.home, 0o700); err != nil {
		t.Fatal(err)
	}
	line := func(age time.Duration, verdict string) string {
		return fmt.Sprintf(`{"ts":%d,"verdict":%q,"api":[{"url":"https://a.test","ok":%t,"latencyMs":12,"status":200}],"internet":{"ok":false,"latencyMs":null,"status":null,"error":"refused \u001b[31m"}}`,
			time.Now().Add(-age).UnixMilli(), verdict, verdict == "online") + "\n"
	}
	log := filepath.Join(tm.home, "connectivity.log")
	for path, text := range map[string]string{
		log + ".1": line(3*time.Hour, "offline"),
		log:        line(time.Hour, "api-unreachable") + line(time.Minute, "online") + `{"ts":1,"verd`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := tm.run(t, "connectivity")
	r.want(t, 0, "Now      online, as of 6", "Samples  3: online 1, api-unreachable 1, offline 1", log, "a.test 12 ms", "internet refused")
	if strings.Contains(r.out, "\x1b") {
		t.Errorf("control characters reached the terminal: %q", r.out)
	}
	if r = tm.run(t, "connectivity", "--problems", "--tail", "1"); strings.Contains(r.out, "12 ms") || !strings.Contains(r.out, "api-unreachable") {
		t.Errorf("--problems: %s", r.out)
	}
	r = tm.run(t, "connectivity", "--json")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	for _, l := range lines {
		var sample api.ConnectivitySample
		if err := json.Unmarshal([]byte(l), &sample); err != nil || sample.TS == 0 {
			t.Errorf("%q: %v", l, err)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d lines", len(lines))
	}
	for _, args := range [][]string{{"--tail", "0"}, {"--tail", "abc"}, {"--check", "--timeout", "0s"}, {"--check"}, {"check"}, {"--check", "--api-url", "x"}} {
		tm.run(t, append([]string{"connectivity"}, args...)...).want(t, 2)
	}
}

// The doctor works without a daemon, looks at every control plane of the host,
// and names what is wrong with each.
func TestConnectivity_check(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.Config.Handler.(*http.ServeMux).HandleFunc("GET /api/v1/health", func(http.ResponseWriter, *http.Request) {})
	tm := newTerminal(t)
	tm.env["PIPEDAI_CONNECT_TOKEN"] = "enr_code"
	tm.run(t, "connect", "--api-url", p.URL).want(t, 0, "Connected")
	r := tm.run(t, "connectivity", "--check")
	r.want(t, 0, p.URL, "ok      auth", "ok      events", "the daemon does not run", "All is well.")
	if strings.Contains(r.out+r.err, "hos_") {
		t.Error("the credential was printed")
	}

	// One more control plane, which is gone.
	tm.stdin = "pwk_key"
	delete(tm.env, "PIPEDAI_CONNECT_TOKEN")
	gone := newPlane(t)
	tm.run(t, "login", "--api-url", gone.URL).want(t, 0)
	gone.Close()
	tm.run(t, "connectivity", "check").want(t, 1, "failed  tcp", "fix: ", "1 check(s) failed")
	r = tm.run(t, "connectivity", "--check", "--json")
	var report doctorReport
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || report.OK || len(report.Checks) < 10 || r.code != 1 {
		t.Errorf("--json: %d %v %s", r.code, err, r.out)
	}
	tm.run(t, "connectivity", "--check", "--api-url", p.URL).want(t, 0, "All is well.")
	tm.run(t, "connectivity", "--api-url", gone.URL).want(t, 1, "failed  tcp")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0", "--probe-internet", "off") }()
	until(t, func() bool {
		return strings.Contains(tm.run(t, "connectivity", "--check", "--api-url", p.URL).out, "ok      websocket")
	})
	until(t, func() bool { return tm.run(t, "connectivity", "--json").out != "" })
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("start ended with %d: %s", code, errs.String())
	}
}
