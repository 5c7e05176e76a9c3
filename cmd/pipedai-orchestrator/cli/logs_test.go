package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/internal/cliutil"
	"pipedai/internal/workerlog"
)

var logsBegan = time.Date(2025, 2, 3, 4, 5, 6, 0, time.UTC)

// holdLog writes a log: each text a second after the one before, begun later by
// that much. One that begins with "!" went to stderr.
func holdLog(t *testing.T, tm *terminal, id string, later time.Duration, texts ...string) {
	t.Helper()
	var data []byte
	for i, text := range texts {
		stream := "out"
		if rest, isErr := strings.CutPrefix(text, "!"); isErr {
			stream, text = "err", rest
		}
		data = workerlog.Append(data, logsBegan.Add(later+time.Duration(i)*time.Second), stream, text)
	}
	write(t, filepath.Join(tm.home, "logs", id+".log"), string(data))
}

// Without a daemon the files are read, of several workers in the order of time.
func TestLogs_ofFilesMerged(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	holdLog(t, tm, "w1", 0, "a0", "!a1 bad", "a2")
	holdLog(t, tm, "w10", 500*time.Millisecond, "b0", "b1", "b2 bad")
	at := func(ms int) string {
		return logsBegan.Add(time.Duration(ms) * time.Millisecond).Format("2006-01-02T15:04:05.000Z")
	}
	all := []string{
		"w1  | " + at(0) + " out a0", "w10 | " + at(500) + " out b0", "w1  | " + at(1000) + " err a1 bad",
		"w10 | " + at(1500) + " out b1", "w1  | " + at(2000) + " out a2", "w10 | " + at(2500) + " out b2 bad",
	}
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"all":          {nil, all},
		"two by name":  {[]string{"w10", "w1"}, all},
		"newest":       {[]string{"-n", "1"}, all[4:]},
		"since":        {[]string{"--since", at(1500)}, all[3:]},
		"until":        {[]string{"--until", at(1000)}, all[:2]},
		"one":          {[]string{"w1", "-n", "1"}, []string{at(2000) + " out a2"}},
		"a stream":     {[]string{"--stream", "err"}, all[2:3]},
		"text":         {[]string{"--grep", "bad"}, []string{all[2], all[5]}},
		"a pattern":    {[]string{"--regex", "--grep", "^b[12]"}, []string{all[3], all[5]}},
		"nothing fits": {[]string{"--grep", "worse"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := strings.Join(tt.want, "\n")
			r := tm.run(t, append([]string{"logs"}, tt.args...)...)
			got := strings.TrimSpace(r.out)
			if r.code != 0 || got != want {
				t.Errorf("exit code %d: %s\n%s\nwant\n%s", r.code, r.err, got, want)
			}
		})
	}
	tm.run(t, "logs", "nobody").want(t, cliutil.ExitNotRunning, "no log of", "start it: ")
	tm.run(t, "logs", "-f").want(t, cliutil.ExitNotRunning, "start it: ")
	tm.run(t, "logs", "w1", "-f", "--until", "1m").want(t, cliutil.ExitUsage)
}

// What a worker writes does not reach a terminal as it is, whatever is asked.
func TestLogs_controlCharacters(t *testing.T) {
	t.Parallel()
	const evil = "\x1b]0;title\a\x1b[2J red\u202e\ttab"
	tm := newTerminal(t)
	holdLog(t, tm, "w1", 0, evil)
	for name, tt := range map[string]struct {
		tty  bool
		args []string
		raw  bool
	}{
		"a file":              {},
		"a file, raw":         {args: []string{"--raw"}, raw: true},
		"a terminal":          {tty: true},
		"a terminal, raw":     {tty: true, args: []string{"--raw"}},
		"a terminal, and all": {tty: true, args: []string{"--raw", "-n", "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := *tm
			one.tty = tt.tty
			r := one.run(t, append([]string{"logs", "w1"}, tt.args...)...)
			if got := strings.Contains(r.out, evil); r.code != 0 || got != tt.raw {
				t.Errorf("exit code %d, raw %v: %q", r.code, got, r.out)
			}
			if !tt.raw && (strings.ContainsAny(r.out, "\x1b\a\u202e") || !strings.Contains(r.out, `\x1b[2J red\u202e`+"\ttab")) {
				t.Errorf("printed %q", r.out)
			}
		})
	}
	var line jsonLine
	r := tm.run(t, "logs", "--json")
	if err := json.Unmarshal([]byte(r.out), &line); err != nil || line.Worker != "w1" || line.Line != evil ||
		line.Stream != "out" || line.TS != logsBegan.UnixMilli() || strings.ContainsAny(r.out, "\x1b\a") {
		t.Errorf("%+v, %v: %q", line, err, r.out)
	}
}

// A worker goes on counting while its daemon is replaced: who follows sees every
// number once, and positions that only grow.
func TestLogs_followThroughARestart(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	tm := newTerminal(t)
	tm.env["PIPEDAI_CONNECT_TOKEN"] = "enr_code"
	tm.run(t, "connect", "--api-url", p.URL, "--label", counter).want(t, 0)
	start := func() (ended chan int, stop context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		out, errs := &buffer{}, &buffer{}
		ended = make(chan int, 1)
		go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0") }()
		return ended, cancel
	}
	ended, stop := start()
	// The worker must not outlive a test that fails.
	t.Cleanup(func() {
		stop()
		<-ended
	})
	until(t, func() bool { return strings.Contains(tm.run(t, "logs", counter).out, "out n ") })

	follow, stopFollowing := context.WithCancel(t.Context())
	defer stopFollowing()
	out, errs := &buffer{}, &buffer{}
	followEnded := make(chan int, 1)
	go func() { followEnded <- tm.runTo(follow, out, errs, "logs", counter, "-f", "--json", "-n", "5000") }()
	grows := func() {
		before := len(out.String())
		until(t, func() bool { return len(out.String()) > before+5000 })
	}
	until(t, func() bool { return strings.Contains(out.String(), `"n 0"`) })
	for range 2 {
		grows()
		tm.run(t, "detach").want(t, 0, "leaves its workers running: 1")
		if code := <-ended; code != 0 {
			t.Fatalf("the daemon ended with %d", code)
		}
		ended, stop = start()
		grows()
	}
	stopFollowing()
	if code := <-followEnded; code != cliutil.ExitInterrupted {
		t.Errorf("logs -f ended with %d: %s", code, errs)
	}
	next, pos := 0, int64(-1)
	for lines := bufio.NewScanner(strings.NewReader(out.String())); lines.Scan(); {
		var l jsonLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if l.Pos <= pos {
			t.Fatalf("%+v comes after position %d", l, pos)
		}
		pos = l.Pos
		if l.Line == "worker is up" && next == 0 {
			continue
		}
		if want := fmt.Sprint("n ", next); l.Line != want {
			t.Fatalf("%+v, want %s", l, want)
		}
		next++
	}
	if strings.Count(errs.String(), "waiting for it to come back") != 2 {
		t.Errorf("said %s", errs)
	}
	t.Logf("%d numbers", next)
}
