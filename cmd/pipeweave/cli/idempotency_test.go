package cli

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/storage/all"
	"pipedai/worker"
)

// decoded reads the JSON that a command printed.
func decoded[T any](t testing.TB, out string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return v
}

// TestIdempotency_worker: work whose key the worker makes is executed once,
// whether it is pushed or pulled. Who comes while it is under way waits, uses
// the result, or does it when the other failed.
func TestIdempotency_worker(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"push", "pull"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			url, _, _, stop := s.serve()
			quiet := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			c := client.New(url, client.Options{HTTP: quiet})

			type call struct{ fail chan bool }
			calls := make(chan call)
			set := worker.NewSet("images", "1.0.0")
			type in struct {
				URL string `json:"url"`
			}
			worker.Register(set, worker.Task{ID: "fetch", Retries: worker.NoRetries, IdempotencyKey: worker.KeyFrom(func(in in, _ int) string { return in.URL })},
				func(ctx *worker.Context, in in) (string, error) {
					now := call{make(chan bool)}
					select {
					case calls <- now:
					case <-ctx.Done():
						return "", ctx.Err()
					}
					if <-now.fail {
						return "", errors.New("no such image")
					}
					return ctx.RunID(), nil
				})
			log := &buffer{}
			o := worker.Options{APIURL: url, Storage: all.Open, Scratch: t.TempDir(), HTTP: quiet, Log: slog.New(worker.NewLineHandler(log, log))}
			ctx, end := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			switch way {
			case "push":
				key, err := os.ReadFile(filepath.Join(s.env["PIPEWEAVE_HOME"], "secret.key"))
				if err != nil {
					t.Fatal(err)
				}
				if o.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
					t.Fatal(err)
				}
				o.Secret = worker.Secret(strings.TrimSpace(string(key)))
				go func() { ended <- set.Listen(ctx, o) }()
			case "pull":
				start, err := c.DeviceStart(t.Context(), api.DeviceStartRequest{Hostname: "box", OS: "linux"})
				if err != nil {
					t.Fatal(err)
				}
				s.run("enrollments", "approve", start.UserCode)
				got, err := c.Redeem(t.Context(), api.RedeemRequest{DeviceCode: start.DeviceCode, Hostname: "box", OS: "linux", Version: "1.0.0"})
				if err != nil {
					t.Fatal(err)
				}
				o.Token = worker.Secret(got.WorkerToken)
				go func() { ended <- set.Run(ctx, o) }()
			}
			t.Cleanup(func() {
				end()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				stop()
			})

			deadline := time.After(30 * time.Second)
			next := func() call {
				t.Helper()
				select {
				case now := <-calls:
					return now
				case err := <-ended:
					ended <- err
					t.Fatalf("the worker ended: %v", err)
				case <-deadline:
					t.Fatalf("nothing is executed\n%s", log)
				}
				panic("unreachable")
			}
			until := func(what string, reached func() bool) {
				t.Helper()
				for !reached() {
					select {
					case now := <-calls:
						t.Fatalf("executed again: %v", now)
					case <-deadline:
						t.Fatalf("never %s\n%s", what, log)
					case <-time.After(10 * time.Millisecond):
					}
				}
			}
			queue := func(url string) string {
				t.Helper()
				for {
					code, out, errs := s.run("queue", "task", "fetch", "--input", `{"url":"`+url+`"}`, "--json")
					if code == 0 {
						return decoded[api.QueuedTask](t, out).RunID
					}
					select {
					case <-deadline:
						t.Fatal(errs)
					case <-time.After(10 * time.Millisecond): // not registered yet
					}
				}
			}
			run := func(id string) (got api.TaskRun) {
				t.Helper()
				_, out, errs := s.run("status", id, "--json")
				if out == "" {
					t.Fatal(errs)
				}
				return decoded[api.TaskRun](t, out)
			}

			// The second waits for the first, and has its result.
			first := queue("a")
			now := next()
			second := queue("a")
			until("waited", func() bool { return strings.Contains(log.String(), "the same work is under way") })
			now.fail <- false
			until("completed", func() bool { return run(first).Status == "completed" && run(second).Status == "completed" })
			if one, two := run(first), run(second); one.OutputPath == "" || one.OutputPath != two.OutputPath || *two.OutputSize != *one.OutputSize ||
				!strings.Contains(string(two.Metadata), first) {
				t.Errorf("%+v\nand\n%+v", one, two)
			}
			// And so has a third, later.
			third := queue("a")
			until("completed", func() bool { return run(third).Status == "completed" })

			// A failure is no result: whoever waited does the work.
			first = queue("b")
			now = next()
			second = queue("b")
			until("waited", func() bool { return strings.Count(log.String(), "the same work is under way") == 2 })
			now.fail <- true
			now = next()
			if got := run(first); got.Status != "failed" {
				t.Errorf("the first is %s", got.Status)
			}
			now.fail <- false
			until("completed", func() bool { return run(second).Status == "completed" })
			if got := run(second); got.OutputPath == "" || strings.Contains(string(got.Metadata), "idempotentOf") {
				t.Errorf("%+v", got)
			}
		})
	}
}
