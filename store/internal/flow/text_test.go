package flow

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pipedai/store"
)

func TestObject(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", deepestJSON) + strings.Repeat("]", deepestJSON)
	for in, want := range map[string]string{
		``: `{}`, `null`: `{}`, `[1]`: `{}`, `{broken`: `{}`, ` {"a": 1} `: `{"a":1}`,
		`{"a":"<&>\u0000\\u0000"}`:      `{"a":"<&>` + "\uFFFD" + `\\u0000"}`,
		`{"\ud800":1}`:                  `{"` + "\uFFFD" + `":1}`,
		`{"a":[1e999,0e9999,1.50,-0]}`:  `{"a":[null,0,1.50,-0]}`,
		`{"a":12345678901234567890123}`: `{"a":12345678901234567890123}`,
		`{"a":` + deep + `}`:            `{}`,
	} {
		if got := string(Object(json.RawMessage(in))); got != want {
			t.Errorf("%.60s became %.60s, want %.60s", in, got, want)
		}
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		deadline time.Time
		want     string
	}{
		{now.Add(time.Second), "Task heartbeat timeout"},
		{now, "Task exceeded timeout of 30s"},
	} {
		h := held("a", func(h *Held) { h.Deadline, h.Timeout = tt.deadline, 30*time.Second })
		got := Expired(h, now)
		if got.Failure.Error != tt.want || got.Failure.Code != CodeTimeout || !got.Failure.Timeout || !h.Admits(got.AttemptRef) {
			t.Errorf("deadline %s: %+v", tt.deadline, got)
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for interval, want := range map[time.Duration]time.Duration{
		time.Second: 2200 * time.Millisecond, time.Minute: 125 * time.Second,
	} {
		if got := Window(interval); got != want {
			t.Errorf("interval %s: %s, want %s", interval, got, want)
		}
	}
}

func TestRedeemable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind, status string
		expires      time.Duration
		want         bool
	}{
		{"device", "pending", 1, false}, {"device", "approved", 1, true}, {"device", "denied", 1, false},
		{"device", "redeemed", 1, false}, {"device", "approved", 0, false},
		{"code", "pending", 1, true}, {"code", "pending", 0, false}, {"code", "redeemed", 1, false}, {"code", "revoked", 1, false},
	} {
		e := store.Enrollment{Kind: tt.kind, Status: tt.status, ExpiresAt: now.Add(tt.expires)}
		if got := Redeemable(e, now); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
