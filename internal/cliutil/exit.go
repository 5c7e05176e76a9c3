package cliutil

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
)

// The exit codes of every program.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitNotRunning  = 3  // or not healthy
	ExitAuth        = 4  // pairing or signing in is needed
	ExitTimeout     = 5  // waited long enough
	ExitConflict    = 6  // another instance, a busy port, a lock
	ExitRestart     = 75 // a daemon asks its service manager to start it again
	ExitInterrupted = 130
)

// exitError is an error that knows its exit code and what helps.
type exitError struct {
	code int
	err  error
	fix  string
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// MoreFiles is what helps a program that may not open another file.
const MoreFiles = "close some programs, or let this one open more files (ulimit -n), then try again"

// Fail gives an error an exit code and the command or setting that helps; fix
// may be empty. A nil error stays nil.
func Fail(code int, err error, fix string) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err, fix: fix}
}

// Failf is Fail with a text.
func Failf(code int, fix, format string, args ...any) error {
	return Fail(code, fmt.Errorf(format, args...), fix)
}

// UsageError says that the command line was wrong.
func UsageError(format string, args ...any) error {
	return Failf(ExitUsage, "", format, args...)
}

// Silent ends with a code and prints nothing: the command has said it all.
func Silent(code int) error { return &exitError{code: code} }

// Explain is the one place where an error becomes an exit code and the text a
// person reads: what happened and why, and what helps.
func Explain(err error) (code int, text, fix string) {
	var known *exitError
	var remote *api.Error
	switch {
	case err == nil:
		return ExitOK, "", ""
	case errors.As(err, &known):
		if known.err == nil {
			return known.code, "", ""
		}
		return known.code, known.err.Error(), known.fix
	case errors.Is(err, context.Canceled):
		return ExitInterrupted, "interrupted", ""
	case errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout, "timed out: " + err.Error(), ""
	case errors.As(err, &remote):
		return remoteExit(remote), err.Error(), ""
	default:
		return ExitFailed, err.Error(), ""
	}
}

func remoteExit(err *api.Error) int {
	switch err.Status {
	case 0, http.StatusServiceUnavailable:
		return ExitNotRunning
	case http.StatusUnauthorized, http.StatusForbidden:
		return ExitAuth
	case http.StatusConflict:
		return ExitConflict
	default:
		return ExitFailed
	}
}

// Run executes a command tree and returns its exit code. Errors of flags and
// arguments count as usage errors; any other passes through the explain
// functions, with which a program gives its own errors a code and a fix by
// Fail, and is told on s.Err.
func Run(ctx context.Context, root *cobra.Command, s Streams, args []string, explain ...func(error) error) int {
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Fail(ExitUsage, err, "see: "+cmd.CommandPath()+" --help")
	})
	// From here on an error is the command's own, not of its arguments.
	started := false
	wrapRunE(root, &started)

	cmd, err := root.ExecuteContextC(ctx)
	var known *exitError
	switch {
	case err == nil, errors.As(err, &known): // said with its code
	case !started && cmd.HasAvailableSubCommands():
		err = Fail(ExitUsage, err, suggest(cmd)+"see: "+cmd.CommandPath()+" --help")
	case !started:
		err = Fail(ExitUsage, err, "usage: "+cmd.UseLine())
	default:
		for _, say := range explain {
			err = say(err)
		}
	}
	code, text, fix := Explain(err)
	if text != "" {
		_, _ = fmt.Fprintf(s.Err, "%s: %s\n", root.Name(), brief(text))
	}
	if fix != "" {
		_, _ = fmt.Fprintf(s.Err, "  %s\n", fix)
	}
	return code
}

// longestTypo is how long a word may be to be taken for a command misspelt.
const longestTypo = 40

// suggest offers the commands that are spelt like the word that was not
// understood.
func suggest(cmd *cobra.Command) string {
	word := cmd.Flags().Arg(0)
	if word == "" || len(word) > longestTypo {
		return ""
	}
	cmd.SuggestionsMinimumDistance = 2
	names := cmd.SuggestionsFor(word)
	if len(names) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(names, " or ") + "? "
}

// longestError is as much of an error as anybody reads: it may repeat an
// argument, which may be a file.
const longestError = 4 << 10

func brief(text string) string {
	if len(text) <= longestError {
		return text
	}
	return strings.ToValidUTF8(text[:longestError], "") + "…"
}

func wrapRunE(cmd *cobra.Command, started *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(c *cobra.Command, args []string) error {
			*started = true
			return run(c, args)
		}
	}
	for _, sub := range cmd.Commands() {
		wrapRunE(sub, started)
	}
}
