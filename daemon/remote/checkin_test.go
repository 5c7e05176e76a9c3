package remote

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// book is Orders that notes what it is told.
type book struct {
	mu      sync.Mutex
	taken   [][]api.HostOrder
	reports []api.OrderReport
	acked   []string
}

func (b *book) Capabilities() []string { return []string{api.CapabilityUpgradeWorkers} }

func (b *book) Take(_ context.Context, _ Link, orders []api.HostOrder) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = append(b.taken, orders)
}

func (b *book) Reports(context.Context, Link) []api.OrderReport {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.reports)
}

func (b *book) Sent(_ context.Context, _ Link, _ []api.OrderReport, acknowledged []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked = append(b.acked, acknowledged...)
	b.reports = slices.DeleteFunc(b.reports, func(r api.OrderReport) bool { return slices.Contains(acknowledged, r.ID) })
}

func (b *book) report(r api.OrderReport) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reports = append(b.reports, r)
}

// checkingIn runs a watcher that checks in with the fake.
func checkingIn(t *testing.T, f *fake, o Options, test func(t *testing.T, w *Watcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.streams = map[string]int{}
		o.Dial = func(string, secret.Text) Client { return f }
		o.Credential = func(string, string) (secret.Text, error) { return "hos_x", nil }
		if o.HostCredential == nil {
			o.HostCredential = o.Credential
		}
		w := New(o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		w.Follow([]manifest.Entry{entry("w1"), entry("w2")})
		synctest.Wait()
		test(t, w)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// patient answers as the server does: at once when there is news, else late.
func patient(news func(api.CheckInRequest) []api.HostOrder) func(context.Context, api.CheckInRequest) (api.CheckInResponse, error) {
	return func(ctx context.Context, req api.CheckInRequest) (api.CheckInResponse, error) {
		out := api.CheckInResponse{HostID: "host_1", Orders: news(req)}
		for _, r := range req.Reports {
			if r.Ended() {
				out.Acknowledged = append(out.Acknowledged, r.ID)
			}
		}
		if len(req.Reports) == 0 && !slices.ContainsFunc(out.Orders, func(o api.HostOrder) bool { return !slices.Contains(req.Known, o.Key()) }) {
			select {
			case <-time.After(time.Duration(req.WaitMs) * time.Millisecond):
			case <-ctx.Done():
				return api.CheckInResponse{}, ctx.Err()
			}
		}
		out.ServerTime = api.At(time.Now().Add(-time.Minute))
		return out, nil
	}
}

func TestCheckIn_ordersAndReports(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var orders []api.HostOrder
	f := &fake{checkIn: patient(func(api.CheckInRequest) []api.HostOrder {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(orders)
	})}
	b := &book{}
	o := Options{Orders: b, Facts: func() api.CheckInFacts { return api.CheckInFacts{Version: "1.0.0"} }}
	checkingIn(t, f, o, func(t *testing.T, w *Watcher) {
		time.Sleep(5 * time.Minute)
		f.set(func() {
			// One for both workers; they are of one workspace.
			if n := len(f.checkIns); n < 9 || n > 11 {
				t.Errorf("%d check-ins in five idle minutes", n)
			}
			first := f.checkIns[0]
			if first.Facts.Version != "1.0.0" || first.Facts.Time.IsZero() || len(first.Facts.Capabilities) != 1 || first.WaitMs != 30_000 {
				t.Errorf("request %+v", first)
			}
			f.checkIns = nil
		})
		mu.Lock()
		orders = []api.HostOrder{{ID: "ord_1"}}
		mu.Unlock()
		time.Sleep(31 * time.Second) // a real server answers at once
		b.mu.Lock()
		if last := b.taken[len(b.taken)-1]; len(last) != 1 || last[0].ID != "ord_1" {
			t.Errorf("taken %+v", b.taken)
		}
		b.mu.Unlock()
		synctest.Wait()
		f.set(func() {
			if last := f.checkIns[len(f.checkIns)-1]; !slices.Equal(last.Known, []string{"ord_1"}) {
				t.Errorf("known %q", last.Known)
			}
		})

		// What there is to tell goes out at once, though a call is waiting.
		b.report(api.OrderReport{ID: "ord_1", Status: api.OrderSucceeded})
		mu.Lock()
		orders = nil
		mu.Unlock()
		before := time.Now()
		w.Nudge(Link{"https://a.test", "ws1"})
		synctest.Wait()
		b.mu.Lock()
		if !slices.Equal(b.acked, []string{"ord_1"}) || time.Since(before) != 0 {
			t.Errorf("acknowledged %q after %s", b.acked, time.Since(before))
		}
		b.mu.Unlock()
		at, skew := w.CheckedIn(Link{"https://a.test", "ws1"})
		if time.Since(at) != 0 || skew != time.Minute || w.Planes()[0].Skew != time.Minute {
			t.Errorf("checked in at %s with a clock %s ahead", at, skew)
		}
	})
}

// Other servers keep the contract only: they are asked once an hour, and
// nothing is said of it.
func TestCheckIn_serverWithoutIt(t *testing.T) {
	t.Parallel()
	f := &fake{}
	checkingIn(t, f, Options{}, func(t *testing.T, w *Watcher) {
		time.Sleep(4 * time.Hour)
		f.set(func() {
			if n := len(f.checkIns); n < 4 || n > 6 {
				t.Errorf("%d check-ins in four hours", n)
			}
		})
		for _, p := range w.Planes() {
			if p.Err != "" || p.Unauthorised {
				t.Errorf("the link is told to be bad: %+v", p)
			}
		}
	})
}

func TestCheckIn_paces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer   func(context.Context, api.CheckInRequest) (api.CheckInResponse, error)
		low, top int // check-ins in an hour
	}{
		"it does not wait": {func(context.Context, api.CheckInRequest) (api.CheckInResponse, error) {
			return api.CheckInResponse{}, nil
		}, 1000, 1900},
		"it is down": {func(context.Context, api.CheckInRequest) (api.CheckInResponse, error) {
			return api.CheckInResponse{}, errors.New("connection refused")
		}, 25, 80},
		"it refuses": {func(context.Context, api.CheckInRequest) (api.CheckInResponse, error) {
			return api.CheckInResponse{}, &api.Error{Status: 401, Message: "unauthorized", Code: api.CodeUnauthorized}
		}, 10, 15},
		"it wants to be left alone": {func(context.Context, api.CheckInRequest) (api.CheckInResponse, error) {
			return api.CheckInResponse{}, &api.Error{Status: 503, Message: "later", RetryAfter: 20 * time.Minute}
		}, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{checkIn: c.answer}
			o := Options{OnRevoked: func(context.Context, Link, secret.Text) { t.Error("it was taken for a revocation") }}
			checkingIn(t, f, o, func(t *testing.T, _ *Watcher) {
				time.Sleep(time.Hour)
				f.set(func() {
					if n := len(f.checkIns); n < c.low || n > c.top {
						t.Errorf("%d check-ins in an hour", n)
					}
				})
			})
		})
	}
}

// A file that could not be read once, for want of a descriptor perhaps, does
// not keep the host away for an hour.
func TestCheckIn_credentialCannotBeReadOnce(t *testing.T) {
	t.Parallel()
	f := &fake{checkIn: patient(func(api.CheckInRequest) []api.HostOrder { return nil })}
	reads := 0
	o := Options{HostCredential: func(string, string) (secret.Text, error) {
		if reads++; reads == 1 {
			return "", syscall.EMFILE
		}
		return "hos_x", nil
	}}
	checkingIn(t, f, o, func(t *testing.T, w *Watcher) {
		time.Sleep(2 * time.Minute)
		if at, _ := w.CheckedIn(Link{"https://a.test", "ws1"}); at.IsZero() {
			t.Errorf("it did not check in within two minutes after %d reads", reads)
		}
	})
}

// A control plane that starts again while a host has much to tell hears it when
// it said that it would listen, however often it was tried meanwhile.
func TestCheckIn_startsAgainWhileThereIsNews(t *testing.T) {
	t.Parallel()
	f := &fake{}
	answers := func(err error) {
		f.set(func() {
			f.checkIn = func(context.Context, api.CheckInRequest) (api.CheckInResponse, error) {
				return api.CheckInResponse{}, err
			}
		})
	}
	answers(errors.New("connection refused"))
	checkingIn(t, f, Options{}, func(t *testing.T, w *Watcher) {
		link := Link{"https://a.test", "ws1"}
		for range 12 {
			w.Nudge(link)
			synctest.Wait()
		}
		answers(&api.Error{Status: 503, Message: "starting", RetryAfter: 5 * time.Second})
		w.Nudge(link)
		synctest.Wait()
		answers(nil)
		w.Nudge(link)
		time.Sleep(4 * time.Second)
		if at, _ := w.CheckedIn(link); !at.IsZero() {
			t.Error("it was not left alone for as long as it asked")
		}
		time.Sleep(2 * time.Second)
		if at, _ := w.CheckedIn(link); at.IsZero() {
			t.Error("it was not told six seconds after it had asked for five")
		}
	})
}

// A revoked host hears it once; then it has no credential, and asks nobody
// until somebody brings a new one.
func TestCheckIn_D11_revoked(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	token := secret.Text("hos_old")
	f := &fake{checkIn: func(context.Context, api.CheckInRequest) (api.CheckInResponse, error) {
		return api.CheckInResponse{}, &api.Error{Status: 401, Message: "unauthorized", Code: api.CodeRevoked}
	}}
	var told []secret.Text
	o := Options{
		HostCredential: func(string, string) (secret.Text, error) {
			mu.Lock()
			defer mu.Unlock()
			return token, nil
		},
		OnRevoked: func(_ context.Context, link Link, given secret.Text) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, given)
			token = ""
		},
	}
	checkingIn(t, f, o, func(t *testing.T, w *Watcher) {
		time.Sleep(24 * time.Hour)
		f.set(func() {
			if len(f.checkIns) != 1 || len(told) != 1 || told[0] != "hos_old" {
				t.Errorf("%d check-ins, told %v", len(f.checkIns), len(told))
			}
			f.checkIn = patient(func(api.CheckInRequest) []api.HostOrder { return nil })
		})
		mu.Lock()
		token = "hos_new"
		mu.Unlock()
		w.Follow([]manifest.Entry{entry("w1"), entry("w2")}) // connect tells the daemon
		synctest.Wait()
		f.set(func() {
			if len(f.checkIns) != 2 {
				t.Errorf("%d check-ins with a new credential", len(f.checkIns))
			}
		})
	})
}
