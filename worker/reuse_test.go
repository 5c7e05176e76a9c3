package worker

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"pipedai/api"
)

// keyed is a set of one task "work" whose key is the member n of its input.
func keyed(executed *atomic.Int32) *Set {
	s := NewSet("test", "1.0.0")
	key := KeyFrom(func(in number2, codeVersion int) string {
		if in.N < 0 {
			panic("negative")
		}
		return strings.Repeat("x", in.N) + string(rune('0'+codeVersion))
	})
	s.Add(Task{ID: "work", AllowedNext: []string{"a", "b"}, IdempotencyKey: key}, func(*Context) (any, error) {
		executed.Add(1)
		return "done", nil
	})
	return s
}

// TestReuse: what the answer to the question makes of an attempt.
func TestReuse(t *testing.T) {
	t.Parallel()
	size, next := int64(12), []string{"b"}
	hit := api.IdempotencyAnswer{
		Hit: true, OutputPath: "runs/x/outputs/trun_0.json", OutputSize: &size, OutputSHA256: strings.Repeat("ab", 32),
		Assets: map[string]api.Asset{"k": {Path: "p", Size: 3, Type: "text"}}, SelectedNext: &next, Of: "trun_0",
	}
	busy := api.IdempotencyAnswer{InProgress: true, Of: "trun_0"}
	for name, tt := range map[string]struct {
		input    int
		answers  []any // in turn, the last again and again; an int is a status
		executed int32
		report   func(api.CallbackRequest) bool
		log      string
	}{
		"known": {1, []any{hit}, 0, func(r api.CallbackRequest) bool {
			return r.Status == "success" && r.OutputPath == hit.OutputPath && *r.OutputSize == 12 && r.OutputSHA256 == hit.OutputSHA256 &&
				r.Assets["k"].Path == "p" && (*r.SelectedNext)[0] == "b" && r.LogsPath != "" && r.Attempt == 1
		}, "the work was done before; its result is used of=trun_0"},
		"new":                     {1, []any{api.IdempotencyAnswer{}}, 1, succeeded, ""},
		"under way, then known":   {1, []any{busy, busy, hit}, 0, succeeded, "the same work is under way"},
		"under way, then free":    {1, []any{busy, busy, api.IdempotencyAnswer{}}, 1, succeeded, "the same work is under way"},
		"no answer for a while":   {1, []any{503, 500, hit}, 0, succeeded, "asking again"},
		"the run is taken":        {1, []any{409}, 0, codeIs(CodeCancelled), ""},
		"the question is refused": {1, []any{400}, 0, codeIs(api.CodeUpstream), ""},
		"the key panics":          {-1, []any{400}, 0, codeIs(CodePanic), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, workerToken)
			var asked, executed atomic.Int32
			e.check = func(w http.ResponseWriter, req api.IdempotencyCheck) {
				if req.RunID != "trun_1" || req.Attempt != 1 || req.Key != "x3" {
					t.Errorf("asked %+v", req)
				}
				n := min(int(asked.Add(1)), len(tt.answers))
				switch a := tt.answers[n-1].(type) {
				case int:
					answer(w, a, api.Error{Message: "no"})
				default:
					reply(w, a)
				}
			}
			w := pull(t, e, keyed(&executed), nil)
			e.claims <- []api.Dispatch{e.dispatch("trun_1", "work", number2{tt.input})}
			got := receive(t, e.reports, "the report")
			if !tt.report(got.CallbackRequest) || executed.Load() != tt.executed {
				t.Errorf("executed %d times, want %d; reported %+v", executed.Load(), tt.executed, got.CallbackRequest)
			}
			if !strings.Contains(w.log.String(), tt.log) {
				t.Errorf("the log does not say %q", tt.log)
			}
		})
	}
}

func succeeded(r api.CallbackRequest) bool { return r.Status == "success" }

func codeIs(code string) func(api.CallbackRequest) bool {
	return func(r api.CallbackRequest) bool { return r.Status == "failed" && r.ErrorCode == code }
}

// Whoever waits for the result of another attempt is alive, and can be told to
// end.
func TestReuse_waitingLives(t *testing.T) {
	t.Parallel()
	e := newEngine(t, sharedSecret)
	var executed atomic.Int32
	e.check = func(w http.ResponseWriter, _ api.IdempotencyCheck) { reply(w, api.IdempotencyAnswer{InProgress: true}) }
	w := listen(t, e, keyed(&executed), nil)
	d := e.dispatch("trun_1", "work", number2{1})
	d.HeartbeatIntervalMs = 5
	push(t, w.base, "work", d)
	for range 3 {
		receive(t, e.pulses, "a heartbeat")
	}
	e.set(func() { e.cancel["trun_1"] = true })
	if got := receive(t, e.reports, "the report"); got.ErrorCode != CodeCancelled || executed.Load() != 0 {
		t.Errorf("got %s after %d executions", got.ErrorCode, executed.Load())
	}
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		paths   []string
		input   string
		version int
		want    string
	}{
		{[]string{"$.url"}, `{"url":"u","else":1}`, 2, `[2,"u"]`},
		{[]string{"$.a.b", "$.none.at.all"}, `{"a":{"b":{"z":1,"y":2}}}`, 1, `[1,{"y":2,"z":1},null]`},
		{[]string{"$"}, `{"b":1, "a":[1,2]}`, 1, `[1,{"a":[1,2],"b":1}]`},
		{[]string{"$.x"}, `"text"`, 1, `[1,null]`},
	} {
		f, err := KeyOf(tt.paths...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f(json.RawMessage(tt.input), tt.version); err != nil || got != tt.want {
			t.Errorf("%v of %s: got %s, %v; want %s", tt.paths, tt.input, got, err, tt.want)
		}
	}
	for _, bad := range [][]string{{}, {"url"}, {"$url"}, {"$."}, {"$.a..b"}, {""}} {
		if _, err := KeyOf(bad...); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestKeyOf_long(t *testing.T) {
	t.Parallel()
	long := func(json.RawMessage, int) (string, error) { return strings.Repeat("k", 256), nil }
	if got, err := keyOf(long, nil, 1); err != nil || len(got) != 64 {
		t.Errorf("got %q, %v; want a hash", got, err)
	}
	failing := func(json.RawMessage, int) (string, error) { return "", os.ErrInvalid }
	if _, err := keyOf(failing, nil, 1); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// TestProgram_key: whoever runs a program's tasks can ask it for their keys.
func TestProgram_key(t *testing.T) {
	t.Parallel()
	var executed atomic.Int32
	_, out, _ := runProgram(t.Context(), t, keyed(&executed), nil, "", "describe")
	var said Description
	if err := json.Unmarshal([]byte(out), &said); err != nil || len(said.Keyed) != 1 || said.Keyed[0] != "work" {
		t.Errorf("described as %s", out)
	}
	env := map[string]string{EnvCodeVersion: "7"}
	if code, out, errs := runProgram(t.Context(), t, keyed(&executed), env, `{"n":2}`, "key", "work"); code != 0 || out != "xx7\n" {
		t.Errorf("got %d %q %s", code, out, errs)
	}
	if code, out, errs := runProgram(t.Context(), t, doubler(), nil, `{"n":2}`, "key", "double"); code != 0 || out != "\n" {
		t.Errorf("without a key: got %d %q %s", code, out, errs)
	}
	for _, bad := range []string{"{", `{"n":"text"}`} {
		if code, out, _ := runProgram(t.Context(), t, keyed(&executed), env, bad, "key", "work"); code == 0 || out != "" {
			t.Errorf("for %s: got %d %q", bad, code, out)
		}
	}
}
