package cli

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// traceBody is how much of a body is shown.
const traceBody = 4 << 10

// tracing reports whether somebody wants to see what is sent and answered.
func (d *deps) tracing() bool {
	return slices.Contains(strings.Split(d.streams.Getenv("PIPEDAI_DEBUG"), ","), "api")
}

// traced shows what passes through a transport, if that is wanted. nil is the
// usual transport.
func (d *deps) traced(next http.RoundTripper) http.RoundTripper {
	if !d.tracing() {
		return next
	}
	if next == nil {
		next = http.DefaultTransport
	}
	t := &trace{next: next, out: d.streams.Err}
	if dir, err := d.dir(); err == nil {
		t.hide = newRedactor(dir, os.Environ())
	}
	return t
}

// web is the client for calls to control planes; nil is the usual one.
func (d *deps) web() *http.Client {
	if !d.tracing() {
		return nil
	}
	return &http.Client{Transport: d.traced(nil)}
}

// trace writes requests and answers, without secrets.
type trace struct {
	next http.RoundTripper
	out  io.Writer
	hide redactor
}

// pairingForm are the members of a pairing that let whoever has them act.
var pairingForm = regexp.MustCompile(`("(?:deviceCode|userCode|code|verificationUriComplete)"\s*:\s*)"[^"]*"`)

// RoundTrip implements http.RoundTripper.
func (t *trace) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := ""
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			data, _ := io.ReadAll(body) // it is in memory
			_ = body.Close()
			sent = t.body(data)
		}
	}
	began := time.Now()
	resp, err := t.next.RoundTrip(r)
	took := time.Since(began).Round(time.Millisecond)
	var said string
	switch {
	case err != nil:
		said = fmt.Sprintf("< no answer (%s): %s\n", took, t.clean(err.Error()))
	default:
		said = fmt.Sprintf("< %s (%s)\n%s", resp.Status, took, t.headers("< ", resp.Header))
		// Streams and sockets are not ours to read.
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			data, failed := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data), failing{failed}))
			said += t.body(data)
		}
	}
	_, _ = fmt.Fprintf(t.out, "> %s %s\n%s%s%s", r.Method, t.clean(r.URL.String()), t.headers("> ", r.Header), sent, said) // or nobody reads it
	return resp, err
}

// failing gives a reader the error that its source ended with.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

func (t *trace) headers(mark string, h http.Header) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		value := strings.Join(h[name], ", ")
		switch name {
		case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie":
			value = redacted
		}
		fmt.Fprintf(&out, "%s%s: %s\n", mark, name, t.clean(value))
	}
	return out.String()
}

// body is what is shown of one. Secrets go first: half of one is one, too.
func (t *trace) body(data []byte) string {
	text := t.clean(strings.TrimSpace(string(data)))
	switch {
	case text == "":
		return ""
	case len(text) > traceBody:
		return text[:traceBody] + "...\n"
	default:
		return text + "\n"
	}
}

func (t *trace) clean(text string) string {
	return pairingForm.ReplaceAllString(t.hide.text(text), `$1"`+redacted+`"`)
}
