package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/backoff"
	"pipedai/storage"
)

// maxDispatch bounds the body of a dispatch.
const maxDispatch = 16 << 20

// Listen serves the set over HTTP: the engine pushes attempts to it. It
// registers, keeps the registration fresh, and answers each dispatch before it
// starts the attempt.
//
// When ctx ends it refuses further work, lets what runs finish (see
// Options.DrainTimeout) and returns nil. It returns an error when it can never
// succeed: a mistake in the options, a busy address, or a registration that
// the control plane refuses.
func (s *Set) Listen(ctx context.Context, o Options) error {
	problem := o.validate(s)
	if o.Secret.Empty() {
		problem = errors.Join(problem, errors.New("the secret shared with the engine is missing"))
	}
	if problem != nil {
		return problem
	}
	o = o.withDefaults()
	c := o.client()
	own := []Secret{o.Secret}
	x, err := o.executor(s, c, func() []Secret { return own }, &storage.TokenReader{}, &runEvents{dir: o.RunEventsDir})
	if err != nil {
		return err
	}
	listener := o.Listener
	if listener == nil {
		var config net.ListenConfig
		if listener, err = config.Listen(ctx, "tcp", o.Addr); err != nil {
			return fmt.Errorf("listen for work: %w", err)
		}
	}
	if o.BaseURL == "" {
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			_ = listener.Close()
			return fmt.Errorf("find the port: %w", err)
		}
		o.BaseURL = "http://localhost:" + port
	}
	live, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	p := &pusher{client: c, options: o, log: o.Log, hand: newHand(), taking: ctx, live: live, set: s, executor: x}
	return p.run(ctx, listener, kill)
}

// pusher is a worker that work is pushed to.
type pusher struct {
	client   *client.Client
	options  Options
	log      *slog.Logger
	hand     *hand
	taking   context.Context // ends when no more work is wanted
	live     context.Context // ends when nothing can be said any more
	set      *Set
	executor *executor
}

// run owns the goroutines and the stop order: registration, runs, server. The
// server goes last, so that the engine hears "stopping" and not "refused".
func (p *pusher) run(ctx context.Context, listener net.Listener, kill context.CancelCauseFunc) error {
	server := &http.Server{
		Handler: p.routes(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var group sync.WaitGroup
	group.Go(func() {
		if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			fail(&fatalError{fmt.Errorf("serve: %w", err)})
		}
	})
	group.Go(func() {
		if err := p.register(ctx); err != nil {
			fail(&fatalError{err})
		}
	})
	p.log.Info("listening", "address", listener.Addr(), "service", p.set.service, "tasks", strings.Join(p.set.order, ","))
	<-ctx.Done()
	var fatal *fatalError
	errors.As(context.Cause(ctx), &fatal)
	drain(p.hand, p.options.DrainTimeout, p.options.settle, kill, p.log)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		_ = server.Close()
	}
	group.Wait()
	if fatal != nil {
		return fatal.err
	}
	p.log.Info("stopped")
	return nil
}

// register announces the service until it is known, and again from time to
// time, because a control plane may come back without its memory.
func (p *pusher) register(ctx context.Context) error {
	failed := 0
	for {
		answer, err := p.client.Register(ctx, p.set.Registration(p.options.BaseURL))
		pause := p.options.renew
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			if failed > 0 {
				p.log.Info("the control plane answers again")
			}
			failed = 0
			for _, change := range answer.CodeChanges {
				p.log.Info("task has new code", "task", change.TaskID, "version", change.NewVersion)
			}
		case isAuth(err):
			return fmt.Errorf("register %s: %w", p.set.service, refusedWorker(err))
		case verdict(err) == refused:
			return fmt.Errorf("register %s: %w", p.set.service, err)
		default:
			failed++
			pause = p.options.retry.Delay(failed)
			if failed == 1 {
				p.log.Warn("not registered, trying again", "error", err)
			}
		}
		if !backoff.Sleep(ctx, pause) {
			return nil
		}
	}
}

// routes are the worker's side of the contract.
func (p *pusher) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "healthy", "service": p.set.service})
	})
	mux.HandleFunc("POST /tasks/{task}", p.dispatch)
	mux.HandleFunc("POST /tasks/{$}", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusBadRequest, api.Error{Message: "Task ID required", Code: api.CodeInvalid})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, api.Error{Message: "Not found", Code: api.CodeNotFound})
	})
	return mux
}

// dispatch takes an attempt: answered first, done in the background.
func (p *pusher) dispatch(w http.ResponseWriter, r *http.Request) {
	// An engine is no browser: what says that a page sent it was sent by a page.
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		answer(w, http.StatusForbidden, api.Error{Message: "requests from web pages are refused", Code: api.CodeForeignOrigin})
		return
	}
	task := r.PathValue("task")
	e, ok := p.set.tasks[task]
	if !ok {
		answer(w, http.StatusNotFound, api.Error{Message: fmt.Sprintf("Task '%s' not found", task), Code: api.CodeNotFound})
		return
	}
	d, problem := readDispatch(w, r, task)
	if problem != nil {
		answer(w, problem.Status, problem)
		return
	}
	run, err := p.hand.take(p.live, d)
	switch {
	case errors.Is(err, errInHand): // the engine asks again: it did not hear us
	case err != nil:
		w.Header().Set("Retry-After", "5")
		answer(w, http.StatusServiceUnavailable, api.Error{Message: err.Error(), Code: api.CodeNotReady})
		return
	default:
		defer func() { go p.work(run, e, d) }()
	}
	answer(w, http.StatusAccepted, api.DispatchAccepted{Acknowledged: true, RunID: d.RunID})
	_ = http.NewResponseController(w).Flush()
}

func readDispatch(w http.ResponseWriter, r *http.Request, task string) (api.Dispatch, *api.Error) {
	var d api.Dispatch
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDispatch))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return d, &api.Error{Status: http.StatusRequestEntityTooLarge, Message: "the dispatch is too large", Code: api.CodeTooLarge}
	case err != nil:
		return d, &api.Error{Status: http.StatusBadRequest, Message: "the dispatch could not be read", Code: api.CodeInvalid}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, &api.Error{Status: http.StatusBadRequest, Message: "the dispatch is not JSON as expected: " + jsonProblem(err), Code: api.CodeInvalid}
	}
	if d.RunID == "" || (d.TaskID != "" && d.TaskID != task) {
		return d, &api.Error{Status: http.StatusBadRequest, Message: "the dispatch has no runId, or another taskId than the path", Code: api.CodeInvalid}
	}
	d.TaskID = task
	return d, nil
}

func (p *pusher) work(run *held, e *entry, d api.Dispatch) {
	defer p.hand.drop(run)
	go p.beatRun(run)
	req := p.executor.execute(run.ctx, e, d, func(percent float64, message string) {
		p.hand.update(run, percent, message)
	})
	ctx, settled := settling(p.live, p.taking, p.options.settle)
	defer settled()
	if err := deliver(ctx, p.client, d.RunID, req, p.options.retry, p.log); err != nil {
		p.log.Error("report not delivered", "run", d.RunID, "error", err)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	if e, ok := body.(api.Error); ok {
		body = &e // its JSON is that of the pointer
	}
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, `{"error":"internal"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}
