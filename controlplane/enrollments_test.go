package controlplane

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/secret"
)

// refused is the status and the word of an error, as hosts decide by them.
func refused(t *testing.T, err error) (int, string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *api.Error", err)
	}
	return e.Status, e.Message
}

// TestPairing walks a host in, as RFC 8628 has it: ask, poll, be approved,
// redeem once.
func TestPairing(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.PublicURL = "https://hub.test/" })
	host, operator := b.serve(""), b.serve(b.admin)
	ctx := t.Context()

	start, err := host.DeviceStart(ctx, api.DeviceStartRequest{Label: "box", Hostname: "box-1", OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	if start.VerificationURI != "https://hub.test/activate" || start.VerificationURIComplete != "https://hub.test/activate?code="+start.UserCode {
		t.Errorf("got %s and %s", start.VerificationURI, start.VerificationURIComplete)
	}
	if start.ExpiresIn != 600 || start.ExpiresAt.Sub(b.clock.Now()).Round(time.Second) != 10*time.Minute {
		t.Errorf("got expiry %v, in %v s", start.ExpiresAt, start.ExpiresIn)
	}
	redeem := func() (api.RedeemResult, error) {
		return host.Redeem(ctx, api.RedeemRequest{DeviceCode: start.DeviceCode, Hostname: "box-1", OS: "linux", Version: "1.0.0"})
	}
	poll := func(want int, word string) {
		t.Helper()
		_, err := redeem()
		if status, text := refused(t, err); status != want || text != word {
			t.Errorf("got %d %s, want %d %s", status, text, want, word)
		}
	}
	poll(400, "authorization_pending")
	b.clock.move(time.Second)
	poll(400, "slow_down")
	b.clock.move(20 * time.Second)
	poll(400, "authorization_pending")

	// People type codes as they like.
	found, err := operator.LookupEnrollment(ctx, " "+strings.ToLower(strings.ReplaceAll(start.UserCode, "-", "")))
	if err != nil || found.ID != start.ID || found.Hostname != "box-1" || found.Address == "" || found.Status != "pending" {
		t.Fatalf("lookup: got %+v, %v", found, err)
	}
	approved, err := operator.Approve(ctx, found.ID)
	if err != nil || approved.Status != "approved" || approved.DecidedBy != "admin" {
		t.Fatalf("approve: got %+v, %v", approved, err)
	}
	_, err = operator.Deny(ctx, found.ID)
	if status, _ := refused(t, err); status != http.StatusConflict {
		t.Errorf("second decision: got %d, want 409", status)
	}

	got, err := redeem()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.WorkerToken, "wkt_") || !strings.HasPrefix(got.OperatorToken, "hos_") ||
		got.APIURL != "https://hub.test" || got.WorkspaceID == "" || got.EnvironmentID == "" || got.WorkerID == "" {
		t.Errorf("got %+v", got)
	}
	poll(409, "already_consumed")

	// The same host again is the same worker.
	again := b.enroll("box-1")
	if again.WorkerID != got.WorkerID {
		t.Errorf("got worker %s for the same host, want %s", again.WorkerID, got.WorkerID)
	}
}

func TestPairing_denied(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host, operator := b.serve(""), b.serve(b.admin)
	start, err := host.DeviceStart(t.Context(), api.DeviceStartRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if start.VerificationURI != "http://127.0.0.1:3000/activate" {
		t.Errorf("got %s, want the address the host used", start.VerificationURI)
	}
	if _, err := operator.Deny(t.Context(), start.ID); err != nil {
		t.Fatal(err)
	}
	_, err = host.Redeem(t.Context(), api.RedeemRequest{DeviceCode: start.DeviceCode, Hostname: "h", OS: "linux", Version: "1"})
	if status, word := refused(t, err); status != 403 || word != "access_denied" {
		t.Errorf("got %d %s, want 403 access_denied", status, word)
	}
}

func TestPairing_expired(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host, operator := b.serve(""), b.serve(b.admin)
	start, err := host.DeviceStart(t.Context(), api.DeviceStartRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b.clock.move(10*time.Minute + time.Second)
	_, err = operator.Approve(t.Context(), start.ID)
	if status, word := refused(t, err); status != 410 || word != "expired_token" {
		t.Errorf("approve: got %d %s, want 410 expired_token", status, word)
	}
	_, err = host.Redeem(t.Context(), api.RedeemRequest{DeviceCode: start.DeviceCode, Hostname: "h", OS: "linux", Version: "1"})
	if status, word := refused(t, err); status != 410 || word != "expired_token" {
		t.Errorf("redeem: got %d %s, want 410 expired_token", status, word)
	}
	all, err := operator.Enrollments(t.Context(), "expired")
	if err != nil || len(all.Items) != 1 {
		t.Errorf("got %+v, %v", all, err)
	}
}

// TestIssuedCode: works once, and not as what it is not.
func TestIssuedCode(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	operator := b.serve(b.admin)
	code, err := operator.IssueCode(t.Context(), api.IssueCodeRequest{ExpiresInSec: 3600})
	if err != nil {
		t.Fatal(err)
	}
	redeem := func(req api.RedeemRequest) (int, string) {
		t.Helper()
		req.Hostname, req.OS, req.Version = "h", "linux", "1"
		_, err := b.serve("").Redeem(t.Context(), req)
		if err == nil {
			return http.StatusOK, ""
		}
		return refused(t, err)
	}
	if status, _ := redeem(api.RedeemRequest{DeviceCode: code.Code}); status != 404 {
		t.Errorf("as a device code: got %d, want 404", status)
	}
	if status, _ := redeem(api.RedeemRequest{Code: code.Code, DeviceCode: code.Code}); status != 400 {
		t.Errorf("both: got %d, want 400", status)
	}
	if status, _ := redeem(api.RedeemRequest{}); status != 400 {
		t.Errorf("neither: got %d, want 400", status)
	}
	if status, _ := redeem(api.RedeemRequest{Code: code.Code}); status != 200 {
		t.Errorf("first use: got %d, want 200", status)
	}
	if status, word := redeem(api.RedeemRequest{Code: code.Code}); status != 409 || word != "already_consumed" {
		t.Errorf("second use: got %d %s, want 409 already_consumed", status, word)
	}
	late, err := operator.IssueCode(t.Context(), api.IssueCodeRequest{ExpiresInSec: 1})
	if err != nil {
		t.Fatal(err)
	}
	b.clock.move(2 * time.Second)
	if status, word := redeem(api.RedeemRequest{Code: late.Code}); status != 410 || word != "expired_token" {
		t.Errorf("late: got %d %s, want 410 expired_token", status, word)
	}
}

// TestGuessing: codes cannot be tried out, and trying does not lock a host
// with a good code out.
func TestGuessing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	last := 0
	for range 12 {
		last = b.do("GET", "/api/v1/enrollments/lookup?code=BBBB-BBBB", "", bearer(b.admin)...).Code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("lookup: got %d after 12 guesses, want 429", last)
	}
	for range 12 {
		last = b.do("POST", "/api/v1/enrollments/redeem", `{"code":"enr_guess","hostname":"h","os":"linux","version":"1"}`).Code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("redeem: got %d after 12 guesses, want 429", last)
	}
	b.enroll("box") // from the same address
	b.clock.move(time.Minute)
	if w := b.do("GET", "/api/v1/enrollments/lookup?code=BBBB-BBBB", "", bearer(b.admin)...); w.Code != http.StatusNotFound {
		t.Errorf("a minute later: got %d, want 404", w.Code)
	}
}

// TestUserCode draws codes that can be told and typed.
func TestUserCode(t *testing.T) {
	t.Parallel()
	for range 100 {
		code := newUserCode()
		if len(code) != 9 || code[4] != '-' || strings.Trim(code, userAlphabet+"-") != "" || normalUserCode(code) != code {
			t.Fatalf("got %q", code)
		}
	}
	for _, bad := range []string{"", "ABC", "ABCD-EFGHI", "1234-5678"} {
		if got := normalUserCode(bad); got != "" {
			t.Errorf("%q: got %q, want nothing", bad, got)
		}
	}
}

// TestWorkerEvents follows a worker's events over the client: a greeting, what
// comes, what was missed; and the stream ends when the credential does.
func TestWorkerEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	host := b.enroll("box")
	worker := b.serve(secret.Text(host.WorkerToken))
	daemon := b.serve(secret.Text(host.OperatorToken))
	ctx := t.Context()
	report := func(kind string) {
		t.Helper()
		if err := worker.WorkerEvent(ctx, api.LifecycleEvent{Type: kind, TS: api.At(b.clock.Now())}); err != nil {
			t.Fatal(err)
		}
	}
	report(api.EventWorkerStarted)
	report(api.EventPollError)

	got := make(chan string, 10)
	ended := make(chan error, 1)
	var last int64
	go func() {
		ended <- daemon.WorkerEvents(ctx, host.WorkerID, 0, func(id int64, e api.LifecycleEvent) {
			last = id
			got <- e.Type
		})
	}()
	expect(t, got, api.EventPollError) // the newest one greets
	report(api.EventPollRecovered)
	expect(t, got, api.EventPollRecovered)

	// Deleting the worker revokes the daemon's token and ends the stream.
	first := last - 1
	b.as(b.admin, "DELETE", "/api/v1/workspaces/"+host.WorkspaceID+"/workers/"+host.WorkerID, "", 204, nil)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the stream outlived the worker")
	}

	other := b.enroll("other")
	worker, daemon = b.serve(secret.Text(other.WorkerToken)), b.serve(secret.Text(other.OperatorToken))
	report(api.EventWorkerStarted)
	report(api.EventWorkerStopped)
	following, stop := context.WithCancel(ctx)
	go func() {
		ended <- daemon.WorkerEvents(following, other.WorkerID, first, func(_ int64, e api.LifecycleEvent) { got <- e.Type })
	}()
	expect(t, got, api.EventWorkerStarted)
	expect(t, got, api.EventWorkerStopped)
	stop()
	<-ended
}

func expect(t *testing.T, got <-chan string, want string) {
	t.Helper()
	select {
	case text := <-got:
		if text != want {
			t.Fatalf("got %s, want %s", text, want)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s did not come", want)
	}
}

// TestStream: a reader learns of changes, resumes where it left off, and is
// cut off when its token is revoked.
func TestStream(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *Options) { o.RequireToken = true })
	c := b.serve(b.view)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	events := make(chan api.StreamEvent, 50)
	ended := make(chan error, 1)
	follow := func(ctx context.Context, c *client.Client, since int64) {
		ended <- c.Stream(ctx, since, func(e api.StreamEvent) { events <- e })
	}
	next := func() api.StreamEvent {
		t.Helper()
		select {
		case e := <-events:
			return e
		case <-time.After(time.Minute):
			t.Fatal("no event came")
			return api.StreamEvent{}
		}
	}
	go follow(ctx, c, 0)
	greeting := next()
	if greeting.Type != "resync" {
		t.Errorf("got %+v, want a resync first", greeting)
	}
	host := b.enroll("box")
	seen := next()
	if seen.Type != "enrollment" || seen.Seq <= greeting.Seq {
		t.Errorf("got %+v after %d", seen, greeting.Seq)
	}
	stop()
	<-ended
	for len(events) > 0 {
		<-events
	}

	go follow(t.Context(), c, greeting.Seq)
	if again := next(); again != seen {
		t.Errorf("resumed with %+v, want %+v", again, seen)
	}
	b.Drain() // what a stopping server does first
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the stream outlived the server")
	}
	_ = host
}
