package worker

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/internal/backoff"
	"pipedai/storage"
	"pipedai/storage/local"
)

// receive waits for something.
func receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

func openLocal(_ context.Context, cfg storage.Config) (storage.Bucket, error) { return local.Open(cfg) }

// testLog writes to the test's log until the test ends.
type testLog struct {
	mu      sync.Mutex
	changed *sync.Cond
	done    bool
	t       testing.TB
	text    strings.Builder
}

func newTestLog(t testing.TB) *testLog {
	l := &testLog{t: t}
	l.changed = sync.NewCond(&l.mu)
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.done = true
	})
	return l
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.changed.Broadcast()
	if !l.done {
		l.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// wait returns when the log holds a text.
func (l *testLog) wait(text string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	late := false
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.changed.Broadcast()
	})
	defer timer.Stop()
	for !strings.Contains(l.text.String(), text) {
		if late {
			l.t.Fatalf("the log never said %q", text)
		}
		l.changed.Wait()
	}
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func testOptions(t testing.TB, e *engine) (Options, *testLog) {
	t.Helper()
	log := newTestLog(t)
	return Options{
		APIURL: e.url, Storage: openLocal, Scratch: t.TempDir(), Log: slog.New(NewLineHandler(log, log)),
		ClaimWait: 10 * time.Second, retry: backoff.Policy{Base: time.Millisecond, Max: 5 * time.Millisecond},
		wait: backoff.Policy{Base: time.Millisecond, Max: 5 * time.Millisecond}, settle: time.Second, stuck: 5 * time.Second, minBeat: time.Millisecond,
	}, log
}

// running is a worker in the background.
type running struct {
	t    testing.TB
	base string
	stop context.CancelFunc
	done chan error
	log  *testLog
}

func listen(t testing.TB, e *engine, s *Set, change func(*Options)) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o, log := testOptions(t, e)
	o.Secret, o.Listener = Secret(e.secret), listener
	if change != nil {
		change(&o)
	}
	return launch(t, log, "http://"+listener.Addr().String(), func(ctx context.Context) error { return s.Listen(ctx, o) })
}

func pull(t testing.TB, e *engine, s *Set, change func(*Options)) *running {
	t.Helper()
	o, log := testOptions(t, e)
	o.Token = workerToken
	if change != nil {
		change(&o)
	}
	return launch(t, log, "", func(ctx context.Context) error { return s.Run(ctx, o) })
}

func launch(t testing.TB, log *testLog, base string, run func(context.Context) error) *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, base: base, stop: stop, done: make(chan error, 1), log: log}
	go func() { r.done <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case <-r.done:
		case <-time.After(patience):
			t.Error("the worker does not end")
		}
	})
	return r
}

// wait expects the worker to end.
func (r *running) wait() error {
	r.t.Helper()
	err := receive(r.t, r.done, "the end of the worker")
	r.done <- nil // for the clean-up
	return err
}

type number2 struct {
	N int `json:"n"`
}

// doubler has one task that doubles a number.
func doubler() *Set {
	s := NewSet("math", "1.2.3")
	Register(s, Task{ID: "double", AllowedNext: []string{"show"}}, func(_ *Context, in number2) (number2, error) {
		return number2{N: 2 * in.N}, nil
	})
	return s
}

// one makes a set of one task "work".
func one(handler Handler) *Set {
	s := NewSet("test", "1.0.0")
	s.Add(Task{ID: "work", AllowedNext: []string{"a", "b"}}, handler)
	return s
}
