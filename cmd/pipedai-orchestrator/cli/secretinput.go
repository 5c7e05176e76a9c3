package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"pipedai/daemon"
	"pipedai/internal/cliutil"
	"pipedai/internal/secret"
)

const (
	// maxSecret bounds what is read as a code or token.
	maxSecret = 4 << 10
	// pipeWait is how long standard input that nobody named may take to end: a
	// service manager or a CI job may hold it open for ever.
	pipeWait = 10 * time.Second
	// optionalWait is the same for what one can do without.
	optionalWait = 2 * time.Second
)

// secretInput says where a code or token may come from.
type secretInput struct {
	what  string // for sentences: "enrolment code"
	flag  string // as given, which other programs can see
	stdin bool   // standard input was asked for
	file  string
	env   string // name of the variable
	piped bool   // what is piped in counts, too, when nothing else is there
	// optional means that one can do without: nothing piped in is nothing given.
	optional bool
}

// read takes the secret from the first place that was named: standard input, a
// file, the flag, the environment, and last what is piped in. found is false
// when none of them was; a place that holds nothing is a usage error.
func (in secretInput) read(ctx context.Context, d *deps) (text secret.Text, found bool, err error) {
	switch {
	case in.stdin:
		text, err = in.take("standard input", d.streams.In)
		return text, true, err
	case in.file != "":
		text, err = in.fromFile(d)
		return text, true, err
	case strings.TrimSpace(in.flag) != "":
		d.notef("warning: other programs can see --token; use --token-stdin or --token-file\n")
		return secret.Text(strings.TrimSpace(in.flag)), true, nil
	}
	if value := strings.TrimSpace(d.streams.Getenv(in.env)); value != "" {
		return secret.Text(value), true, nil
	}
	if in.piped && !d.streams.InTTY {
		return in.fromPipe(ctx, d)
	}
	return "", false, nil
}

func (in secretInput) take(where string, r io.Reader) (secret.Text, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read the %s from %s: %w", in.what, where, err)
	}
	text := bytes.TrimSpace(data)
	switch {
	case len(text) == 0:
		return "", cliutil.Fail(cliutil.ExitUsage, &emptyError{where, in.what}, "")
	case len(data) > maxSecret:
		return "", cliutil.UsageError("%s holds more than a %s", where, in.what)
	}
	return secret.Text(text), nil
}

// emptyError says that a place holds nothing.
type emptyError struct{ where, what string }

func (e *emptyError) Error() string { return e.where + " holds no " + e.what }

func (in secretInput) fromFile(d *deps) (secret.Text, error) {
	file, err := os.Open(in.file)
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", in.what, err)
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		d.notef("warning: others may read %s: chmod 600 %s\n", in.file, daemon.ShellQuote(in.file))
	}
	return in.take(in.file, file)
}

// fromPipe reads what is piped in, and gives up on a pipe that nobody closes.
func (in secretInput) fromPipe(ctx context.Context, d *deps) (secret.Text, bool, error) {
	type result struct {
		text secret.Text
		err  error
	}
	wait := d.pipeWait
	if in.optional {
		wait = min(wait, optionalWait)
	}
	came := make(chan result, 1)
	go func() {
		text, err := in.take("standard input", d.streams.In)
		came <- result{text, err}
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case r := <-came:
		var usage *emptyError
		if in.optional && errors.As(r.err, &usage) {
			return "", false, nil
		}
		return r.text, r.err == nil, r.err
	case <-timer.C:
		if in.optional {
			return "", false, nil
		}
		return "", false, cliutil.UsageError("no %s came on standard input within %s", in.what, wait)
	case <-ctx.Done():
		return "", false, context.Cause(ctx)
	}
}
