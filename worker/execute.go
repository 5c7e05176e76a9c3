package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
	"pipedai/storage"
)

// stuckAfter is how long a handler may go on after its context ended before
// the attempt is reported without it.
const stuckAfter = 20 * time.Second

// storeTimeout bounds storing a log after an attempt was told to end.
const storeTimeout = time.Minute

// executor runs attempts: the part that pushed and pulled work share.
type executor struct {
	set     *Set
	open    OpenBucket
	secrets func() []secret.Text // storage tokens are sealed with one of them
	tokens  *storage.TokenReader
	scratch string // parent of the attempts' folders; "" means the system's
	events  *runEvents
	log     *slog.Logger
	stuck   time.Duration
	asker   asker
	hidden  []string // values never to print
}

// execute runs one attempt to its end and returns the report. ctx ends the
// attempt, with one of the causes of errors.go.
func (x *executor) execute(ctx context.Context, e *entry, d api.Dispatch, update func(float64, string)) (req api.CallbackRequest) {
	started := time.Now()
	log := x.log.With("run", d.RunID, "task", d.TaskID, "attempt", d.Attempt)
	log.Info("run started")
	events := x.events.begin(d.RunID, d.EventsToken)
	defer func() {
		took := time.Since(started).Round(10 * time.Millisecond)
		if req.Status == "success" {
			log.Info("run completed", "took", took)
		} else {
			log.Warn("run failed", "took", took, "error", req.Error)
		}
		events.end(req)
	}()

	timeout := time.Duration(d.TimeoutMs) * time.Millisecond
	if timeout <= 0 {
		timeout = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, ErrTimedOut)
	defer cancel()
	limit := fmt.Sprintf("%gs", timeout.Seconds())

	if err := hostdir.ValidID(d.RunID); err != nil {
		return failure(ctx, d.Attempt, limit, Fatal(api.CodeInvalid, "run id: %w", err))
	}
	cfg, err := x.unseal(d.StorageToken)
	if err != nil {
		log.Error("the storage token cannot be read", "error", err)
		return failure(ctx, d.Attempt, limit, Retryable(api.CodeInvalidToken, "Failed to decrypt storage token"))
	}
	bucket, err := x.open(ctx, cfg)
	if err != nil {
		return failure(ctx, d.Attempt, limit, Retryable(api.CodeStorageUnreadable, "%w", err))
	}
	a := &tried{x: x, entry: e, d: d, bucket: bucket, limit: limit, events: events, update: update, log: log}
	hide := append(secretsOf(cfg), x.hidden...)
	for _, own := range x.secrets() {
		hide = append(hide, own.Reveal())
	}
	a.redact = newRedactor(hide...)
	req = a.run(ctx)
	req.Error = a.redact.text(req.Error)
	return req
}

// unseal opens a storage token; the error is that of the newest secret.
func (x *executor) unseal(token string) (cfg storage.Config, err error) {
	for i, own := range x.secrets() {
		got, failed := x.tokens.Unseal(own.Reveal(), token)
		if failed == nil {
			return got, nil
		}
		if i == 0 {
			err = failed
		}
	}
	return cfg, err
}

// tried is one attempt under way.
type tried struct {
	x      *executor
	entry  *entry
	d      api.Dispatch
	bucket storage.Bucket
	limit  string
	events *runLedger
	update func(float64, string)
	redact redactor
	log    *slog.Logger
}

func (a *tried) run(ctx context.Context) api.CallbackRequest {
	fail := func(err error) api.CallbackRequest { return failure(ctx, a.d.Attempt, a.limit, err) }
	dir, err := os.MkdirTemp(a.x.scratch, a.d.RunID+"-*")
	if err != nil {
		_ = a.bucket.Close()
		return fail(Retryable("", "create the scratch folder: %w", err))
	}
	lines, err := newRunLog(filepath.Join(dir, "logs.jsonl"), a.d.RunID)
	if err != nil {
		_ = a.bucket.Close()
		_ = os.RemoveAll(dir)
		return fail(Retryable("", "create the run's log: %w", err))
	}
	release := func() {
		lines.end()
		_ = a.bucket.Close()
		_ = os.RemoveAll(dir)
	}

	done := make(chan outcome, 1)
	go a.handle(ctx, dir, lines, done)
	var result outcome
	select {
	case result = <-done:
	case <-ctx.Done():
		timer := time.NewTimer(a.x.stuck)
		defer timer.Stop()
		select {
		case result = <-done:
		case <-timer.C:
			// The handler keeps its folder until it returns, and loses its run now.
			go func() { <-done; release() }()
			a.log.Error("the handler ignores that it was told to end")
			return fail(Retryable(CodeStuck, "the handler did not end within %s of being told to", a.x.stuck))
		}
	}
	defer release()
	return a.store(ctx, result, lines)
}

// outcome is what a handler left behind.
type outcome struct {
	c      *Context
	output json.RawMessage
	known  *api.IdempotencyAnswer // not nil: the result of another attempt
	err    error
}

// handle hydrates and calls the handler, in a goroutine of its own so that one
// that ignores its context can be given up.
func (a *tried) handle(ctx context.Context, dir string, lines *runLog, done chan<- outcome) {
	result := outcome{err: Retryable(CodePanic, "the handler ended its goroutine")}
	defer func() { done <- result }()
	line := func(line logLine) {
		line = a.redact.line(line)
		lines.add(line)
		a.events.line(line)
		a.log.Log(context.Background(), line.level, line.message, fieldsOf(line)...) //nolint:sloglint // what the handler said is the message
	}
	input, err := inputOf(ctx, a.bucket, a.d)
	if err == nil {
		result.known, err = a.reuse(ctx, input, line)
	}
	if err != nil || result.known != nil {
		result.err = err
		return
	}
	env, err := hydrate(ctx, a.bucket, a.d)
	if err != nil {
		result.err = err
		return
	}
	env.onUpdate = func(percent float64, message string) {
		message = a.redact.text(message)
		a.events.progress(percent, message)
		a.update(percent, message)
	}
	result.c = newContext(ctx, facts{
		task: a.entry.Task, wire: a.d.RunID, pipeline: a.d.PipelineRunID, attempt: a.d.Attempt,
		version: a.d.CodeVersion, hash: a.d.CodeHash, input: input, uploads: a.d.TempUploads, previous: previousOf(a.d.PreviousAttempts), dir: dir,
	}, env, line)
	output, err := call(result.c, a.entry.handler)
	result.output, result.err = output, err
}

// store uploads what the attempt made and its log, the log also of a failure.
func (a *tried) store(ctx context.Context, result outcome, lines *runLog) api.CallbackRequest {
	var req api.CallbackRequest
	err := result.err
	switch {
	case err != nil:
	case result.known != nil:
		req = reused(a.d.Attempt, result.known)
	default:
		req, err = dehydrate(ctx, a.bucket, result.c, result.output)
	}
	if err != nil {
		req = failure(ctx, a.d.Attempt, a.limit, err)
	}
	// The log is wanted most when the attempt was told to end.
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	path := storage.LogsPath(a.d.PipelineRunID, a.d.RunID)
	if err := lines.upload(storing, a.bucket, path); err != nil {
		a.log.Warn("the run's log could not be stored", "error", err)
		return req
	}
	req.LogsPath = path
	return req
}

// previousOf reads the earlier attempts; a worker runs without them if it must.
func previousOf(raw json.RawMessage) []api.PreviousAttempt {
	var previous []api.PreviousAttempt
	_ = json.Unmarshal(raw, &previous)
	return previous
}

// secretsOf lists the values of a storage config that must not be printed.
func secretsOf(cfg storage.Config) []string {
	var values []string
	for _, name := range []string{"secretAccessKey", "sessionToken", "privateKey", "secretKey", "accessKey", "accessKeyId"} {
		values = append(values, cfg.Credentials[name])
	}
	return values
}

func fieldsOf(line logLine) []any {
	var args []any
	for _, name := range sortedKeys(line.fields) {
		args = append(args, name, line.fields[name])
	}
	return args
}

// end releases the log of an attempt; lines that come later are dropped.
func (l *runLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
}

func stack() string { return string(debug.Stack()) }

// isAuth reports whether the control plane refused the caller itself.
func isAuth(err error) bool {
	var remote *api.Error
	return errors.As(err, &remote) && (remote.Status == http.StatusUnauthorized || remote.Status == http.StatusForbidden)
}
