package enroll

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"pipedai/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a control plane that gives one answer after another.
type scripted struct {
	start   api.DeviceStart
	answers []func(context.Context) (api.RedeemResult, error)
	asked   []time.Duration // since the bubble began
	began   time.Time
	got     []api.RedeemRequest
}

func (s *scripted) DeviceStart(context.Context, api.DeviceStartRequest) (api.DeviceStart, error) {
	return s.start, nil
}

func (s *scripted) Redeem(ctx context.Context, req api.RedeemRequest) (api.RedeemResult, error) {
	s.asked = append(s.asked, time.Since(s.began))
	s.got = append(s.got, req)
	if len(s.answers) == 0 {
		return api.RedeemResult{}, &api.Error{Status: 400, Message: api.CodeAuthPending}
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	return next(ctx)
}

func refuseWith(status int, message string) func(context.Context) (api.RedeemResult, error) {
	return func(context.Context) (api.RedeemResult, error) {
		return api.RedeemResult{}, &api.Error{Status: status, Message: message}
	}
}

func granted(context.Context) (api.RedeemResult, error) {
	return api.RedeemResult{
		WorkerID: "w1", WorkerToken: "wkt_secret-of-the-worker", OperatorToken: "hos_secret-of-the-host",
		APIURL: "https://api.example.test", WorkspaceID: "ws1", EnvironmentID: "env1",
	}, nil
}

func emptyAnswer(context.Context) (api.RedeemResult, error) { return api.RedeemResult{}, nil }

func stall(ctx context.Context) (api.RedeemResult, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	<-ctx.Done()
	return api.RedeemResult{}, &api.Error{Message: "no answer"}
}

func TestPoll_D1_keepsTheRules(t *testing.T) {
	t.Parallel()
	pending := refuseWith(400, api.CodeAuthPending)
	type answer = func(context.Context) (api.RedeemResult, error)
	sec := func(list ...int) (out []time.Duration) {
		for _, n := range list {
			out = append(out, time.Duration(n)*time.Second)
		}
		return out
	}
	tests := []struct {
		name    string
		answers []answer
		want    []time.Duration // when it asked
		err     error
	}{
		{"waits before the first try", []answer{granted}, sec(5), nil},
		{"pending keeps the pace", []answer{pending, pending, granted}, sec(5, 10, 15), nil},
		{"slow down adds five seconds for good", []answer{refuseWith(400, api.CodeSlowDown), pending, granted}, sec(5, 15, 25), nil},
		{"too many requests backs off, then returns", []answer{refuseWith(429, "rate"), refuseWith(429, "rate"), pending, granted}, sec(5, 15, 35, 40), nil},
		{"a page instead of JSON is passing", []answer{refuseWith(500, "HTTP 500"), granted}, sec(5, 15), nil},
		{"a maintenance page is passing", []answer{refuseWith(503, "HTTP 503"), granted}, sec(5, 15), nil},
		{"an answer without credentials is passing", []answer{emptyAnswer, granted}, sec(5, 15), nil},
		{"a reset connection keeps the pace", []answer{refuseWith(0, "reset"), refuseWith(0, "reset"), granted}, sec(5, 10, 15), nil},
		{"a stalled answer does not end it", []answer{stall, granted}, sec(5, 40), nil},
		{"denied", []answer{pending, refuseWith(403, api.CodeAccessDenied)}, sec(5, 10), ErrDenied},
		{"expired", []answer{refuseWith(410, api.CodeExpiredToken)}, sec(5), ErrExpired},
		{"used", []answer{refuseWith(409, api.CodeAlreadyConsumed)}, sec(5), ErrCodeUsed},
		{"unknown", []answer{refuseWith(404, "not_found")}, sec(5), ErrCodeUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{answers: tt.answers, began: time.Now()}
				p := Pairing{Interval: 5 * time.Second, ExpiresAt: time.Now().Add(10 * time.Minute)}
				result, err := poll(t.Context(), s, api.RedeemRequest{DeviceCode: "secret"}, p, func(Wait) {})
				if !errors.Is(err, tt.err) {
					t.Fatalf("error %v, want %v", err, tt.err)
				}
				if tt.err == nil && result.WorkerID != "w1" {
					t.Errorf("result %+v", result)
				}
				if diff := cmp.Diff(tt.want, s.asked); diff != "" {
					t.Errorf("asked at (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestPoll_stopsExactlyAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, answer := range []func(context.Context) (api.RedeemResult, error){
		refuseWith(400, api.CodeAuthPending), refuseWith(400, api.CodeSlowDown), refuseWith(500, "HTTP 500"), refuseWith(0, "reset"), stall,
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			s := &scripted{began: began}
			for range 1000 {
				s.answers = append(s.answers, answer)
			}
			p := Pairing{Interval: time.Second, ExpiresAt: began.Add(93 * time.Second)}
			_, err := poll(t.Context(), s, api.RedeemRequest{}, p, func(Wait) {})
			if !errors.Is(err, ErrExpired) || time.Since(began) != 93*time.Second {
				t.Errorf("ended with %v after %s, want %v after 1m33s", err, time.Since(began), ErrExpired)
			}
			if len(s.asked) > 93 {
				t.Errorf("asked %d times in 93 s", len(s.asked))
			}
		})
	}
}

func TestPoll_endsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(12*time.Second, cancel)
		began := time.Now()
		p := Pairing{Interval: 5 * time.Second, ExpiresAt: began.Add(time.Hour)}
		_, err := poll(ctx, &scripted{began: began}, api.RedeemRequest{}, p, func(Wait) {})
		if !errors.Is(err, context.Canceled) || time.Since(began) != 12*time.Second {
			t.Errorf("ended with %v after %s", err, time.Since(began))
		}
	})
}

func TestPollTimes_neverATightLoop(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		start    api.DeviceStart
		interval time.Duration
		life     time.Duration
	}{
		{"relative life wins", api.DeviceStart{Interval: 5, ExpiresIn: 600, ExpiresAt: api.At(now.Add(time.Second))}, 5 * time.Second, 10 * time.Minute},
		{"absolute end", api.DeviceStart{Interval: 2, ExpiresAt: api.At(now.Add(15 * time.Minute))}, 2 * time.Second, 15 * time.Minute},
		{"nothing given", api.DeviceStart{}, 5 * time.Second, 10 * time.Minute},
		{"the clock is a day ahead", api.DeviceStart{ExpiresAt: api.At(now.Add(-24 * time.Hour))}, 5 * time.Second, 10 * time.Minute},
		{"the clock is a year behind", api.DeviceStart{ExpiresAt: api.At(now.Add(365 * 24 * time.Hour))}, 5 * time.Second, 10 * time.Minute},
		{"zero interval", api.DeviceStart{Interval: 0, ExpiresIn: 60}, 5 * time.Second, time.Minute},
		{"tiny interval", api.DeviceStart{Interval: 0.001, ExpiresIn: 60}, time.Second, time.Minute},
		{"negative interval", api.DeviceStart{Interval: -3, ExpiresIn: 60}, 5 * time.Second, time.Minute},
		{"huge interval", api.DeviceStart{Interval: 9999, ExpiresIn: 60}, time.Minute, time.Minute},
		{"not a number", api.DeviceStart{Interval: math.NaN(), ExpiresIn: math.Inf(1)}, 5 * time.Second, 10 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			interval, deadline := pollTimes(tt.start, now)
			if interval != tt.interval || deadline.Sub(now) != tt.life {
				t.Errorf("got every %s for %s, want every %s for %s", interval, deadline.Sub(now), tt.interval, tt.life)
			}
		})
	}
}

func TestClassify_otherRefusalsEnd(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 405, 422} {
		v := classify(&api.Error{Status: status, Message: "no"})
		if v.kind != verdictStop || v.err == nil {
			t.Errorf("status %d: %+v", status, v)
		}
	}
	if v := classify(fmt.Errorf("encode: %w", http.ErrBodyNotAllowed)); v.kind != verdictBusy {
		t.Errorf("a foreign error: %+v", v)
	}
}
