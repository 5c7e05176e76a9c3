package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
)

// everyCommand returns the words of every command that a person may call.
func everyCommand() [][]string {
	var out [][]string
	var walk func(cmd *cobra.Command, words []string)
	walk = func(cmd *cobra.Command, words []string) {
		for _, sub := range cmd.Commands() {
			if sub.Hidden || sub.IsAdditionalHelpTopicCommand() {
				continue
			}
			path := append(slices.Clone(words), sub.Name())
			if sub.Runnable() {
				out = append(out, path)
			}
			walk(sub, path)
		}
	}
	root := newRoot(newDeps(cliutil.Streams{Getenv: func(string) string { return "" }}))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	walk(root, nil)
	return out
}

func isOf(words []string, first ...string) bool { return slices.Contains(first, words[0]) }

// Help is there for all, on standard output, examples before flags; what is
// wrong with a command line is told in a sentence and is exit code 2.
func TestTree_help(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	commands := everyCommand()
	if len(commands) < 20 {
		t.Fatalf("found %d commands: the tree was not read", len(commands))
	}
	for _, words := range commands {
		for _, ask := range [][]string{append(slices.Clone(words), "-h"), append(slices.Clone(words), "--help"), append([]string{"help"}, words...)} {
			r := tm.run(t, ask...)
			if r.code != 0 || r.err != "" || !strings.Contains(r.out, "Usage:") {
				t.Errorf("%q: %d\n%s%s", ask, r.code, r.out, r.err)
			}
			if isOf(words, "completion", "help") {
				continue // cobra's own words
			}
			example, usage := strings.Index(r.out, "\nExamples:"), strings.Index(r.out, "\nUsage:")
			if example < 0 || example > usage {
				t.Errorf("%q: no examples before the usage:\n%s", ask, r.out)
			}
			for _, line := range strings.Split(r.out[:usage], "\n") {
				if !strings.HasPrefix(line, " ") && cliutil.Width(line) > 90 {
					t.Errorf("%q: a line of %d columns: %s", ask, cliutil.Width(line), line)
				}
			}
		}
		r := tm.run(t, append(slices.Clone(words), "--no-such-flag")...)
		if r.out != "" && !isOf(words, "help") || r.code != cliutil.ExitUsage && !isOf(words, "help") {
			t.Errorf("%q with a wrong flag: %d\n%s%s", words, r.code, r.out, r.err)
		}
	}
	for typo, meant := range map[string]string{"stauts": "status", "lsit": "list", "conect": "connect"} {
		tm.run(t, typo).want(t, cliutil.ExitUsage, meant)
	}
	if lines := strings.Count(tm.run(t).out, "\n"); lines > 16 {
		t.Errorf("the short help has %d lines", lines)
	}
}

// Nobody is there: standard input is open and silent, no stream is a terminal.
// Every command ends by itself, prompts for nothing and says what is missing.
func TestTree_C2_neverWaitsForAnybody(t *testing.T) {
	t.Parallel()
	for _, words := range everyCommand() {
		if isOf(words, "help") {
			continue
		}
		for _, more := range [][]string{nil, {"a", "b", "c", "d"}} {
			args := append(slices.Clone(words), more...)
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				t.Parallel()
				tm := newTerminal(t)
				tm.env["CI"], tm.env["PIPEDAI_API_URL"] = "1", "http://127.0.0.1:1"
				silent, writer := io.Pipe()
				t.Cleanup(func() { _ = writer.Close() })
				tm.in = silent
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				if args[0] == "start" && more == nil {
					var interrupt context.CancelFunc
					ctx, interrupt = context.WithTimeout(ctx, time.Second)
					defer interrupt()
					args = append(args, "--port", "0")
				}
				switch args[0] {
				case "support-bundle", "install", "uninstall":
					args = append(args, "--dry-run") // they would act on this machine
				}
				out, errs := &buffer{}, &buffer{}
				code := tm.runTo(ctx, out, errs, args...)
				if ctx.Err() != nil && args[0] != "start" {
					t.Fatalf("it waited: %s%s", out, errs)
				}
				if code < 0 || code > 6 {
					t.Errorf("exit code %d", code)
				}
				if code != 0 && errs.String() == "" && args[0] != "status" {
					t.Error("it failed and said nothing")
				}
				if more != nil && code == 0 && args[0] != "completion" {
					t.Errorf("words that it does not know were taken: %s", out)
				}
			})
		}
	}
}

// With --json standard output holds JSON and nothing else, whatever there is
// to warn of.
func TestTree_C1_jsonOnly(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	tm := newTerminal(t)
	tm.env["PIPEDAI_CONNECT_TOKEN"] = "enr_code"
	tm.run(t, "connect", "--api-url", p.URL, "--label", "box").want(t, 0)
	delete(tm.env, "PIPEDAI_CONNECT_TOKEN")
	stop := startHere(t, tm)
	until(t, func() bool { return strings.Contains(tm.run(t, "list").out, "box\trunning\t") })

	// What a command needs besides --json; the tree says which there are.
	needs := map[string][]string{
		"connect": {"--api-url", p.URL, "--label", "box"}, "start": {"box"}, "stop": {"box"}, "enable": {"box"}, "disable": {"box"}, "logs": {"box"},
		"restart": {"box"}, "delete": {"--dry-run", "box"}, "runs": {"box"},
		"workers start": {"box"}, "workers stop": {"box"}, "workers restart": {"box"}, "workers enable": {"box"}, "workers disable": {"box"},
		"workers delete": {"--dry-run", "box"}, "workers show": {"box"}, "workers set": {"box", "--stop-grace", "1m"}, "support-bundle": {"--dry-run"},
		"install": {"--dry-run"}, "uninstall": {"--dry-run"},
	}
	check := func(words []string) {
		t.Helper()
		cmd, _, err := newRoot(newDeps(cliutil.Streams{Getenv: func(string) string { return "" }})).Find(words)
		if err != nil {
			t.Fatal(err)
		}
		if cmd.Flags().Lookup("json") == nil {
			return
		}
		args := append(slices.Clone(words), "--json")
		args = append(args, needs[strings.Join(words, " ")]...)
		r := tm.run(t, args...)
		if !jsonOnly(r.out) {
			t.Errorf("%q printed something else than JSON (exit code %d):\n%s\n%s", args, r.code, r.out, r.err)
		}
		if r.code == 0 && r.out == "" && words[0] != "logs" && words[0] != "runs" && words[0] != "connectivity" && words[0] != "events" {
			t.Errorf("%q printed nothing", args)
		}
	}
	for _, words := range everyCommand() {
		if words[0] != "detach" { // what comes after it would find no daemon
			check(words)
		}
	}
	tm.run(t, "start", "box").want(t, 0)
	until(t, func() bool { return strings.Contains(tm.run(t, "list").out, "box\trunning\t") })
	check([]string{"detach"})
	stop()
	// It left its worker running: the next daemon takes it up and ends it.
	stop = startHere(t, tm)
	until(t, func() bool { return strings.Contains(tm.run(t, "list").out, "box\trunning\t") })
	stop()
}

// startHere runs a daemon until stop is called, or the test ends. stop wants it
// to end in order; its workers end with it unless it left them on purpose.
func startHere(t *testing.T, tm *terminal) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, errs := &buffer{}, &buffer{}
	ended := make(chan int, 1)
	go func() { ended <- tm.runTo(ctx, out, errs, "start", "--port", "0") }()
	stop = sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("start ended with %d: %s", code, errs)
		}
	})
	t.Cleanup(stop)
	return stop
}

// jsonOnly reports whether a text is JSON values and nothing else.
func jsonOnly(text string) bool {
	dec := json.NewDecoder(bufio.NewReader(strings.NewReader(text)))
	for {
		var v any
		switch err := dec.Decode(&v); err {
		case nil:
		case io.EOF:
			return true
		default:
			return false
		}
	}
}

// Arguments of a megabyte and patterns that make matchers despair are refused
// like any other, as fast.
func TestTree_C12_hugeArguments(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	fakeDaemon(t, tm, "0.1.0-dev", selfRoutes(selfOf("running"), workerOf("w1", "box")))
	for _, word := range []string{strings.Repeat("a", 1<<20), strings.Repeat("(a+)+", 200_000) + "$", strings.Repeat("[*?]", 250_000)} {
		for _, args := range [][]string{{"stop", word}, {"logs", word}, {"config", "set", word, "1"}, {"config", "set", "port", word}, {word}, {"stop", "--" + word}} {
			begin := time.Now()
			r := tm.run(t, args...)
			if took := time.Since(begin); took > 20*time.Second || r.code == 0 {
				t.Errorf("%s with a huge argument: code %d after %s", args[0][:min(20, len(args[0]))], r.code, took)
			}
			if len(r.err) > 3<<20 {
				t.Errorf("%s: %d bytes of error", args[0][:min(20, len(args[0]))], len(r.err))
			}
		}
	}
}

// Case T10: whoever gives a secret on the command line is told that other
// programs can read it there. What it is given as shows nowhere.
func TestArguments_T10_secrets(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	for _, args := range [][]string{
		{"login", "--api-url", "https://api.example.test", "--token", "pwk_hush"},
		{"connect", "--api-url", p.URL, "--token", "enr_code"},
	} {
		r := newTerminal(t).run(t, args...)
		r.want(t, 0, "warning: other programs can see --token; use --token-stdin or --token-file")
		if said := r.out + r.err; strings.Contains(said, "pwk_hush") || strings.Contains(said, "enr_code") {
			t.Errorf("%v: %s", args, said)
		}
	}
	for _, flag := range cliutil.UnmarkedSecrets(newRoot(newDeps(cliutil.Streams{Getenv: func(string) string { return "" }}))) {
		t.Errorf("the help of %s does not say that other programs can see it", flag)
	}
}
