package worker

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/api"
	"pipedai/storage"
)

func TestSet_registration(t *testing.T) {
	t.Parallel()
	s := NewSet("svc", "2.0.0")
	nothing := func(*Context) (any, error) { return nil, nil }
	s.Add(Task{ID: "plain", CodeHash: "0123456789abcdef"}, nothing)
	s.Add(Task{
		ID: "all", AllowedNext: []string{"plain"}, Timeout: 90 * time.Second, Retries: NoRetries, RetryBackoff: "fixed",
		RetryDelay: 2 * time.Second, MaxRetryDelay: time.Minute, HeartbeatInterval: 5 * time.Second, Concurrency: 2, Priority: 7,
		IdempotencyTTL: time.Hour, Description: "d", InputSchema: json.RawMessage(`{}`), CodeVersion: "v1",
	}, nothing)
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	n := func(v float64) *float64 { return &v }
	want := api.RegisterRequest{
		ServiceID: "svc", Version: "2.0.0", BaseURL: "http://x", TokenFormat: "JWE", Capabilities: []string{"inline-input"},
		Tasks: []api.TaskRegistration{
			{ID: "plain", CodeHash: "0123456789abcdef", AllowedNext: []string{}},
			{
				ID: "all", CodeHash: HashCode("v1"), AllowedNext: []string{"plain"}, Timeout: n(90), Retries: n(0), RetryBackoff: "fixed",
				RetryDelayMs: n(2000), MaxRetryDelayMs: n(60000), HeartbeatIntervalMs: n(5000), Concurrency: n(2), Priority: n(7),
				IdempotencyTTL: n(3600), Description: "d", InputSchema: json.RawMessage(`{}`),
			},
		},
	}
	if diff := cmp.Diff(want, s.Registration("http://x")); diff != "" {
		t.Error(diff)
	}
}

func TestSet_codeHash(t *testing.T) {
	t.Parallel()
	s := NewSet("svc", "1")
	a, b := s.hash(Task{ID: "a"}), s.hash(Task{ID: "b"})
	if a == b || a != s.hash(Task{ID: "a"}) || len(a) != 16 {
		t.Errorf("without a version the hash is that of build and task: %s %s", a, b)
	}
	if s.hash(Task{ID: "a", CodeVersion: "v"}) != s.hash(Task{ID: "b", CodeVersion: "v"}) {
		t.Error("with a version the hash is the version's alone")
	}
	// The first 16 hex digits of SHA-256 over "v1".
	if got := HashCode("v1"); got != "3bfc269594ef6492" {
		t.Errorf("got %s", got)
	}
}

func TestSet_mistakes(t *testing.T) {
	t.Parallel()
	nothing := func(*Context) (any, error) { return nil, nil }
	for want, task := range map[string]Task{
		"an id has":         {ID: "a/b"},
		"next task":         {ID: "a", AllowedNext: []string{"x y"}},
		"timeout":           {ID: "a", Timeout: -1},
		"backoff":           {ID: "a", RetryBackoff: "linear"},
		"concurrency":       {ID: "a", Concurrency: -1},
		"not JSON":          {ID: "a", InputSchema: json.RawMessage(`{`)},
		"16 lower-case hex": {ID: "a", CodeHash: "xyz"},
	} {
		s := NewSet("svc", "1")
		s.Add(task, nothing)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	s := NewSet("", "1")
	s.Add(Task{ID: "a"}, nothing)
	s.Add(Task{ID: "a"}, nil)
	err := s.Validate()
	for _, want := range []string{"no name", "twice", "no handler"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %q", err, want)
		}
	}
}

func TestRunLocal(t *testing.T) {
	t.Parallel()
	s := NewSet("svc", "1")
	Register(s, Task{ID: "t", AllowedNext: []string{"a", "b"}}, func(ctx *Context, in number2) (number2, error) {
		var up number2
		if err := ctx.Upstream("u", &up); err != nil {
			return up, err
		}
		asset, err := ctx.Asset("k")
		if err != nil {
			return up, err
		}
		if _, err := ctx.AddAsset("out.txt", Text, string(asset)+"!"); err != nil {
			return up, err
		}
		ctx.Progress(50, "half")
		ctx.Log().With("a", 1).WithGroup("g").Warn("careful", "b", errors.New("x"), slog.Group("h", "c", time.Second))
		return number2{N: in.N + up.N + ctx.Attempt()}, nil
	})
	var log strings.Builder
	result, err := s.RunLocal(t.Context(), "t", Local{
		Input: number2{1}, Upstream: map[string]any{"u": number2{10}}, UpstreamAssets: map[string][]byte{"k": []byte("v")},
		PreviousAttempts: []api.PreviousAttempt{{Attempt: 1}}, Log: &log,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &Result{
		Output: json.RawMessage("{\n  \"n\": 13\n}"), Next: []string{"a", "b"},
		Assets:   []LocalAsset{{Key: "out.txt", Type: storage.AssetText, Path: "local://local/assets/out.txt", Data: []byte("v!")}},
		Progress: []Progress{{50, "half"}},
		Logs:     []LogLine{{Level: "warn", Message: "careful", Fields: map[string]any{"a": int64(1), "g.b": "x", "g.h.c": "1s"}}},
	}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(log.String(), "careful") || !strings.Contains(log.String(), "50% half") {
		t.Errorf("log: %q", log.String())
	}
}

func TestRunLocal_failures(t *testing.T) {
	t.Parallel()
	var failed *TaskError
	_, err := doubler().RunLocal(t.Context(), "double", Local{Input: "no number"})
	if !errors.As(err, &failed) || failed.Code != CodeBadInput || failed.Retryable || strings.Contains(failed.Message, "Go ") || !strings.Contains(failed.Message, "cannot be a ") {
		t.Errorf("input of another type: %v", err)
	}
	if _, err := doubler().RunLocal(t.Context(), "triple", Local{}); err == nil || !strings.Contains(err.Error(), "double") {
		t.Errorf("unknown task: %v", err)
	}
	_, err = one(func(*Context) (any, error) { panic("x") }).RunLocal(t.Context(), "work", Local{})
	if !errors.As(err, &failed) || failed.Code != CodePanic {
		t.Errorf("panic: %v", err)
	}
}

func TestTaskError(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := error(Retryable("C", "step %d: %w", 1, cause))
	if err.Error() != "step 1: cause" || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if got := shorten(strings.Repeat("ä", 10), 5); got != "ää…" {
		t.Errorf("got %q", got)
	}
}

func TestRunLog_isBounded(t *testing.T) {
	t.Parallel()
	l, err := newRunLog(t.TempDir()+"/log", "r")
	if err != nil {
		t.Fatal(err)
	}
	defer l.end()
	line := logLine{at: time.Unix(0, 0), message: strings.Repeat("x", 1<<20)}
	for range 20 {
		l.add(line)
	}
	if l.size > maxRunLog+1000 || !l.full {
		t.Errorf("the log has %d bytes", l.size)
	}
}
