package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/storage/all"
	"pipedai/worker"
)

// programVar makes this test binary a program built with the SDK.
const programVar = "CLI_TEST_PROGRAM"

const patience = 30 * time.Second

const token = "wkt_0123456789abcdef"

func TestMain(m *testing.M) {
	if os.Getenv(programVar) != "" {
		set := worker.NewSet("shop", "1.0.0")
		worker.Register(set, worker.Task{ID: "add", Retries: worker.NoRetries, Timeout: time.Minute}, func(ctx *worker.Context, in []int) (int, error) {
			ctx.Log().Info("adding")
			sum := 0
			for _, n := range in {
				sum += n
			}
			_, err := ctx.AddAsset("sum", worker.JSON, sum)
			return sum, err
		})
		os.Exit(worker.Main(set, all.Open))
	}
	goleak.VerifyTestMain(m)
}

// screen is what a command prints, readable while it runs.
type screen struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newScreen() *screen { return &screen{changed: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// wait returns when the screen shows a text.
func (s *screen) wait(t testing.TB, text string) {
	t.Helper()
	late := time.After(patience)
	for !strings.Contains(s.String(), text) {
		select {
		case <-s.changed:
		case <-late:
			t.Fatalf("%q was never printed; this was:\n%s", text, s)
		}
	}
}

func streams(in string, env map[string]string) (cliutil.Streams, *screen, *screen) {
	out, errs := newScreen(), newScreen()
	return cliutil.Streams{In: strings.NewReader(in), Out: out, Err: errs, Getenv: func(name string) string { return env[name] }}, out, errs
}

func execute(t testing.TB, in string, env map[string]string, args ...string) (int, string, string) {
	t.Helper()
	s, out, errs := streams(in, env)
	code := Execute(t.Context(), args, s)
	return code, out.String(), errs.String()
}

func write(t testing.TB, path, data string, perm os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), perm); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"version", "--version"} {
		if code, out, _ := execute(t, "", nil, arg); code != 0 || out != buildinfo.Version()+"\n" {
			t.Errorf("%s: %d %q", arg, code, out)
		}
	}
	code, out, _ := execute(t, "", nil, "version", "--json")
	var info buildinfo.Info
	if err := json.Unmarshal([]byte(out), &info); code != 0 || err != nil || info.Version == "" {
		t.Errorf("%d %s", code, out)
	}
}

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
