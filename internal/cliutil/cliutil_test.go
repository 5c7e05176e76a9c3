package cliutil

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"pipedai/api"
)

var errOwn = errors.New("the disk is full")

func TestRun_exitCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		err  error
		code int
		text []string
	}{
		{name: "success", args: []string{"go"}, code: ExitOK},
		{name: "failure", args: []string{"go"}, err: errors.New("no luck"), code: ExitFailed, text: []string{"prog: no luck"}},
		{name: "failure with a fix", args: []string{"go"}, err: fmt.Errorf("start: %w", Failf(ExitAuth, "run: prog connect", "not connected")), code: ExitAuth, text: []string{"not connected", "run: prog connect"}},
		{name: "unknown command", args: []string{"fly"}, code: ExitUsage, text: []string{"unknown command"}},
		{name: "unknown flag", args: []string{"go", "--far"}, code: ExitUsage, text: []string{"unknown flag", "prog go --help"}},
		{name: "unreachable server", args: []string{"go"}, err: &api.Error{Message: "no answer"}, code: ExitNotRunning},
		{name: "refused by the server", args: []string{"go"}, err: &api.Error{Status: 403, Message: "no"}, code: ExitAuth},
		{name: "server that is not ready", args: []string{"go"}, err: &api.Error{Status: 503, Message: "starting"}, code: ExitNotRunning},
		{name: "error that the program explains", args: []string{"go"}, err: fmt.Errorf("save: %w", errOwn), code: ExitConflict, text: []string{"save: the disk is full", "make room"}},
		{name: "too many arguments", args: []string{"go", "far"}, code: ExitUsage, text: []string{"usage: prog go"}},
		{name: "interrupted", args: []string{"go"}, err: fmt.Errorf("wait: %w", context.Canceled), code: ExitInterrupted},
		{name: "silent", args: []string{"go"}, err: Silent(ExitNotRunning), code: ExitNotRunning},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := &cobra.Command{Use: "prog"}
			root.AddCommand(&cobra.Command{Use: "go", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return test.err }})
			var out, errs bytes.Buffer
			code := Run(t.Context(), root, Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, test.args, func(err error) error {
				if errors.Is(err, errOwn) {
					return Fail(ExitConflict, err, "make room")
				}
				return err
			})
			if code != test.code {
				t.Errorf("got exit code %d, want %d; stderr %q", code, test.code, errs.String())
			}
			for _, want := range test.text {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("got stderr %q, want it to contain %q", errs.String(), want)
				}
			}
			if len(test.text) == 0 && test.code == ExitOK && errs.Len() > 0 {
				t.Errorf("got stderr %q, want none", errs.String())
			}
		})
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	rows := [][]string{{"a-very-long-identifier-indeed", "running"}, {"b", "stopped"}}
	tests := []struct {
		name  string
		width int
		want  string
	}{
		{"fits", 80, "ID                             STATE\na-very-long-identifier-indeed  running\nb                              stopped\n"},
		{"narrow", 24, "ID               STATE\na-very-…-indeed  running\nb                stopped\n"},
		{"piped", 0, "ID\tSTATE\na-very-long-identifier-indeed\trunning\nb\tstopped\n"},
	}
	var ids bytes.Buffer
	if err := Table(&ids, 40, []string{"RUN", "TASK RUN", "ERROR"}, [][]string{{"prun_0123456789abcdef", "trun_0123456789abcdef", "it went wrong again"}}); err != nil ||
		ids.String() != "RUN                    TASK RUN               ERROR\nprun_0123456789abcdef  trun_0123456789abcdef  it w…ain\n" {
		t.Errorf("ids are kept whole: got\n%s%v", ids.String(), err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := Table(&out, test.width, []string{"ID", "STATE"}, rows); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPrintable: what a stranger wrote cannot act on the terminal.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain é 漢\t!":           "plain é 漢\t!",
		"\x1b[31mred\x07\r\n":    `\x1b[31mred\a\r\n`,
		"abc\u202egnp.exe":       `abc\u202egnp.exe`,
		"c1 \u009b31m, \x00 NUL": `c1 \u009b31m, \x00 NUL`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	var out strings.Builder
	if err := Table(&out, 80, nil, [][]string{{"a\nb", "c"}}); err != nil || out.String() != "a\\nb  c\n" {
		t.Errorf("a table: got %q, %v", out.String(), err)
	}
}
