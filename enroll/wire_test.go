package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/manifest"
)

// wire is a network in which a control plane gives one answer after another;
// the real client reads them.
type wire struct {
	start   string
	answers []func(*http.Request) (*http.Response, error)
	asked   []time.Duration
	began   time.Time
}

func page(status int, kind, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {kind}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/device") {
		return page(201, "application/json", w.start)(r)
	}
	w.asked = append(w.asked, time.Since(w.began).Round(time.Second))
	next := w.answers[0]
	w.answers = w.answers[1:]
	return next(r)
}

const redeemed = `{"workerId":"w1","workerToken":"wkt_w","operatorToken":"hos_h","apiUrl":"https://api.example.test","workspaceId":"ws1"}`

// Everything that stands between a host and its control plane answers for it
// once; the pairing comes through, by the rules.
func TestConnect_D1_everyAnswerOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pending := page(400, "application/json", `{"error":"authorization_pending"}`)
		w := &wire{
			began: time.Now(),
			start: `{"deviceCode":"d","userCode":"WDJB-MJHT","verificationUri":"https://api.example.test/activate","interval":5,"expiresIn":600}`,
			answers: []func(*http.Request) (*http.Response, error){
				pending, pending, // 5, 10
				page(400, "application/json", `{"error":"slow_down"}`), // 15; every 10 from here on
				page(429, "text/plain", "slow down"),                   // 25; then 20
				page(500, "text/html", "<html>oops</html>"),            // 45; then 40
				func(r *http.Request) (*http.Response, error) { // 85; stalls until the client's 30 s are over
					<-r.Context().Done()
					return nil, r.Context().Err()
				},
				func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by peer") }, // 125
				page(200, "text/html", "<html>Sign in to the hotel</html>"),                                        // 135; then 20
				page(200, "application/json", `{"workerId":7}`),                                                    // 155; then 40
				page(200, "application/json", `{}`),                                                                // 195; then 60
				page(200, "application/json", redeemed),                                                            // 255
			},
		}
		o := testOptions(testDir(t), client.New("https://api.example.test", client.Options{HTTP: &http.Client{Transport: w}}))
		result, err := Connect(t.Context(), o)
		if err != nil || result.WorkerID != "w1" {
			t.Fatalf("%+v, %v", result, err)
		}
		want := []int{5, 10, 15, 25, 45, 85, 125, 135, 155, 195, 255}
		for i := range want {
			if i >= len(w.asked) || w.asked[i] != time.Duration(want[i])*time.Second {
				t.Fatalf("asked at %v, want seconds %v", w.asked, want)
			}
		}
	})
}

// A host whose clock is a day off pairs all the same, and is told.
func TestConnect_D14_clockOff(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{24 * time.Hour, -24 * time.Hour, 9 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			theirs := time.Now().Add(-off)
			for _, withLife := range []bool{true, false} {
				start := api.DeviceStart{
					DeviceCode: "d", UserCode: "WDJBMJHT", VerificationURI: "https://api.example.test/activate", Interval: 5,
					ExpiresAt: api.At(theirs.Add(10 * time.Minute)),
				}
				if withLife {
					start.ExpiresIn = 600
				}
				pending := refuseWith(400, api.CodeAuthPending)
				remote := &scripted{start: start, began: time.Now()}
				for range 30 { // two and a half minutes until somebody approves
					remote.answers = append(remote.answers, pending)
				}
				remote.answers = append(remote.answers, granted)
				o := testOptions(testDir(t), remote)
				var shown Pairing
				o.OnPairing = func(p Pairing) { shown = p }
				if _, err := Connect(t.Context(), o); err != nil {
					t.Errorf("off by %s, relative life %v: %v", off, withLife, err)
				}
				if withLife && shown.ClockOff.Round(time.Minute) != off {
					t.Errorf("the clock is off by %s, told %s", off, shown.ClockOff)
				}
			}
		})
	}
	if off := clockOff(api.DeviceStart{ExpiresIn: 600, ExpiresAt: api.At(time.Now().Add(600 * time.Second))}, time.Now()); off != 0 {
		t.Errorf("a clock that is right is off by %s", off)
	}
}

// Killed after any of the three writes: connecting again ends with one worker,
// one file, and the credentials of the last answer.
func TestConnect_D3_killedBetweenWrites(t *testing.T) {
	t.Parallel()
	for name, undo := range map[string]func(t *testing.T, o Options, r Result){
		"after the worker's file": func(t *testing.T, o Options, r Result) {
			removeEntry(t, o, r.WorkerID)
			if err := os.Remove(o.Dir.Credentials()); err != nil {
				t.Fatal(err)
			}
		},
		"after the credential": func(t *testing.T, o Options, r Result) { removeEntry(t, o, r.WorkerID) },
		"after the entry":      func(*testing.T, Options, Result) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			again := func(context.Context) (api.RedeemResult, error) {
				r, err := granted(context.Background())
				r.WorkerToken, r.OperatorToken = "wkt_next", "hos_next"
				return r, err
			}
			o := testOptions(testDir(t), &scripted{answers: []func(context.Context) (api.RedeemResult, error){granted, again}})
			o.Code = "enr_one"
			first, err := Connect(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			undo(t, o, first)
			o.Code = "enr_two"
			second, err := Connect(t.Context(), o)
			if err != nil || second.ConfigPath != first.ConfigPath {
				t.Fatalf("again: %+v, %v", second, err)
			}
			if entries := entriesOf(t, o.Dir); len(entries) != 1 || entries[0].ID != "w1" {
				t.Errorf("manifest %+v", entries)
			}
			file, err := ReadWorkerFile(second.ConfigPath)
			if err != nil || file.WorkerToken != "wkt_next" {
				t.Errorf("worker file: %v", err)
			}
			creds := load(t, o.Dir.Credentials())
			if creds.Operator("https://api.example.test", "ws1") != "hos_next" || len(creds.Tokens()) != 1 {
				t.Errorf("credentials %+v", creds.Tokens())
			}
			data, err := os.ReadFile(o.Dir.Credentials())
			if err != nil || strings.Contains(string(data), "hos_secret-of-the-host") || !json.Valid(data) {
				t.Errorf("the first credential is an orphan in the file: %v", err)
			}
		})
	}
}

func removeEntry(t *testing.T, o Options, id string) {
	t.Helper()
	m, err := manifest.Open(t.Context(), o.Dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if err := m.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}
