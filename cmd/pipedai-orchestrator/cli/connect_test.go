package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/internal/cliutil"
	"pipedai/internal/localnet"
)

func TestConnect_deviceFlow(t *testing.T) {
	t.Parallel()
	p := newPlane(t, http.StatusBadRequest)
	tm := newTerminal(t)
	tm.tty = true
	var shown string
	out, errs := &buffer{}, &buffer{}
	tm.opened = func(url string) error {
		shown = out.String()
		if url != p.URL+"/activate?code=WDJB-MJHT" {
			t.Errorf("opened %s", url)
		}
		return nil
	}
	if code := tm.runTo(t.Context(), out, errs, "connect", "--api-url", p.URL); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if !strings.Contains(shown, "WDJB-MJHT") || !strings.Contains(shown, p.URL+"/activate") || !strings.Contains(shown, "▀") {
		t.Errorf("the browser was opened before URL, code and picture were shown: %q", shown)
	}
	all := out.String() + errs.String()
	for _, secret := range []string{"wkt_", "hos_", "the-device-code"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s was printed", secret)
		}
	}
	if !strings.Contains(all, "Connected to "+p.URL) || !strings.Contains(all, "Next: pipedai-orchestrator start") {
		t.Errorf("output %s", all)
	}
	tm.run(t, "connect", "--api-url", p.URL).want(t, 0, "Already connected")
	if n := p.redeemed(); n != 2 {
		t.Errorf("redeemed %d times", n)
	}
}

func TestConnect_codes(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	file := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(file, []byte("enr_code\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("from standard input, as JSON", func(t *testing.T) {
		t.Parallel()
		tm := newTerminal(t)
		tm.stdin = "enr_code\n"
		r := tm.run(t, "connect", "--api-url", p.URL, "--token-stdin", "--json", "--label", "My Box")
		r.want(t, 0)
		var last map[string]any
		for _, line := range strings.Split(strings.TrimSpace(r.out), "\n") {
			last = nil
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
		if last["event"] != "connected" || last["workerId"] != "w1" || last["configPath"] != filepath.Join(tm.home, "orchestrator", "workers", "my-box.json") {
			t.Errorf("last step %v", last)
		}
	})
	t.Run("from a file that others may read", func(t *testing.T) {
		t.Parallel()
		newTerminal(t).run(t, "connect", "--api-url", p.URL, "--token-file", file).want(t, 0, "chmod 600", "Connected")
	})
	t.Run("from a flag", func(t *testing.T) {
		t.Parallel()
		newTerminal(t).run(t, "connect", "--api-url", p.URL, "--token", "enr_code").want(t, 0, "warning:", "Connected")
	})
	t.Run("from the environment", func(t *testing.T) {
		t.Parallel()
		tm := newTerminal(t)
		tm.env["PIPEDAI_CONNECT_TOKEN"], tm.env["PIPEDAI_API_URL"] = "enr_code", p.URL
		tm.run(t, "connect").want(t, 0, "Connected")
	})
	t.Run("piped in", func(t *testing.T) {
		t.Parallel()
		tm := newTerminal(t)
		tm.stdin = "enr_code\n"
		r := tm.run(t, "connect", "--api-url", p.URL)
		r.want(t, 0, "Connected")
		if strings.Contains(r.out, "Enter") {
			t.Errorf("a person was asked to approve: %s", r.out)
		}
	})
	t.Run("nothing on standard input", func(t *testing.T) {
		t.Parallel()
		newTerminal(t).run(t, "connect", "--api-url", p.URL, "--token-stdin").want(t, 2, "no enrolment code")
	})
}

func TestConnect_D2_refusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		code   int
		say    string
	}{
		{"denied", 403, cliutil.ExitAuth, "denied"},
		{"expired", 410, cliutil.ExitTimeout, "expired"},
		{"used", 409, cliutil.ExitAuth, "used already"},
		{"unknown", 404, cliutil.ExitAuth, "does not know"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, tt.status)
			tm := newTerminal(t)
			args := []string{"connect", "--api-url", p.URL}
			if tt.status != 403 { // a code is answered at once, a pairing after a second
				tm.env["PIPEDAI_CONNECT_TOKEN"] = "enr_code"
			}
			tm.run(t, args...).want(t, tt.code, tt.say)
			if _, err := os.Stat(filepath.Join(tm.home, "orchestrator", "credentials.json")); !errors.Is(err, os.ErrNotExist) {
				t.Error("credentials were written")
			}
			tm.run(t, args...).want(t, 0, "Connected") // and it can be repeated
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := localnet.Port(listener)
		_ = listener.Close()
		newTerminal(t).run(t, "connect", "--api-url", fmt.Sprintf("http://127.0.0.1:%d", port)).want(t, 3, "could not be reached")
	})
	t.Run("timeout", func(t *testing.T) {
		t.Parallel()
		p := newPlane(t, 400, 400, 400, 400)
		newTerminal(t).run(t, "connect", "--api-url", p.URL, "--timeout", "1500ms").want(t, 5, "nobody approved")
	})
	t.Run("a home that cannot be written", func(t *testing.T) {
		t.Parallel()
		tm := newTerminal(t)
		if err := os.WriteFile(tm.home, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		p := newPlane(t)
		tm.run(t, "connect", "--api-url", p.URL).want(t, 1, "state folder")
		if p.redeemed() != 0 {
			t.Error("the control plane was asked first")
		}
	})
}

func TestConnect_C4_interrupt(t *testing.T) {
	t.Parallel()
	p := newPlane(t, 400, 400, 400, 400, 400, 400)
	tm := newTerminal(t)
	ctx, cancel := context.WithCancel(t.Context())
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "connect", "--api-url", p.URL) }()
	<-p.asked
	cancel()
	if code := <-ended; code != cliutil.ExitInterrupted || !strings.Contains(errs.String(), "nothing was written") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	if files, _ := filepath.Glob(filepath.Join(tm.home, "orchestrator", "workers", "*")); len(files) > 0 {
		t.Errorf("files were written: %v", files)
	}
}

// A certificate that does not prove the control plane ends it before anything
// is sent or written, with the way to find out who is in between.
func TestConnect_D13_certificateRefused(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake is what is tested
	server.StartTLS()
	defer server.Close()
	tm := newTerminal(t)
	tm.stdin = "enr_the-code"
	r := tm.run(t, "connect", "--api-url", server.URL, "--token-stdin")
	r.want(t, 3, "certificate", "connectivity --check --api-url "+server.URL)
	if strings.Contains(r.out+r.err, "the-code") || len(asked) > 0 {
		t.Errorf("the code went out or was printed: %s", r.err)
	}
	if files, _ := filepath.Glob(filepath.Join(tm.home, "orchestrator", "workers", "*")); len(files) > 0 {
		t.Errorf("files were written: %v", files)
	}
	tm.run(t, "connectivity", "--check", "--api-url", server.URL).want(t, 1, "failed  tls", `"Acme Co"`)
}
