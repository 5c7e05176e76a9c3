package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/controlplane"
	"pipedai/engine"
	"pipedai/engine/dispatch"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/httpkit"
	"pipedai/internal/lifecycle"
	"pipedai/internal/localnet"
	"pipedai/internal/oplog"
	"pipedai/internal/secret"
	"pipedai/storage/all"
	"pipedai/store"
	"pipedai/store/postgres"
	"pipedai/web"
)

func newServeCmd(d *deps) *cobra.Command { return newServeCmdFunc(d, runServe) }

func newServeCmdFunc(d *deps, runF func(context.Context, *deps, serveConfig) error) *cobra.Command {
	table := serveSettings()
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the control plane", Args: cobra.NoArgs,
		Long: `Run the control plane: the API, the engine and the web console. Without flags it
keeps everything in a folder of its own: an SQLite database, local storage and
generated secrets.`,
		Example: `  pipeweave serve
  pipeweave serve --addr 127.0.0.1:4000 --data-dir ./state
  DATABASE_URL=postgres://... pipeweave serve`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := resolveSettings(table, cmd.Flags(), d.Getenv)
			config, problems := resolveServe(all, d.Getenv)
			if err != nil {
				return cliutil.Fail(cliutil.ExitUsage, errors.Join(err, problems), "see: pipeweave serve --help")
			}
			if problems != nil {
				return problems
			}
			return runF(cmd.Context(), d, config)
		},
	}
	bindSettings(cmd.Flags(), table)
	return cmd
}

// runServe is the whole life of a server: take the folder, bind, open the
// database, wire the parts, run them until ctx ends, and stop them in order.
func runServe(ctx context.Context, d *deps, c serveConfig) error {
	log := oplog.New(d.Err, c.logLevel, c.logFormat)
	for _, warning := range c.warnings {
		log.Warn("check the configuration", "warning", warning)
	}
	if err := c.state.make(); err != nil {
		return cliutil.Fail(cliutil.ExitFailed, err, "choose another folder with --data-dir")
	}
	release, err := c.state.lock(ctx)
	if errors.Is(err, errInUse) {
		return cliutil.Fail(cliutil.ExitConflict, err, "stop that one, or choose another folder with --data-dir")
	}
	if err != nil {
		return cliutil.Fail(cliutil.ExitFailed, err, "choose another folder with --data-dir")
	}
	defer release()

	listen := localnet.Listen
	if c.requireToken {
		listen = localnet.ListenAny
	}
	listener, err := listen(ctx, c.host, c.port)
	var busy *localnet.BusyError
	switch {
	case errors.As(err, &busy):
		return cliutil.Fail(cliutil.ExitConflict, err, "stop it, or choose another port: pipeweave serve --addr 127.0.0.1:0")
	case err != nil:
		return cliutil.Fail(cliutil.ExitFailed, err, "choose another address with --addr")
	}
	port := localnet.Port(listener)
	names := c.names(port)

	// From here on a caller hears "not ready" instead of a refused connection.
	face := &swapHandler{}
	face.set(controlplane.NotReady(names))
	front := &frontEnd{listener: listener, server: httpkit.Server(face, log)}
	front.start()
	defer front.abort()

	parts, err := wire(ctx, c, listener, names, log)
	if err != nil {
		return err
	}
	defer parts.close(log)
	token, err := c.state.adminAccess(ctx, parts.store)
	if err != nil {
		return cliutil.Fail(cliutil.ExitFailed, fmt.Errorf("admin token: %w", err), "make the file readable, or remove it to get a new token")
	}

	url := listenURL(c.host, port)
	info := serveInfo{PID: os.Getpid(), URL: url, Version: buildinfo.Version(), StartedAt: api.At(d.now())}
	if err := c.state.writeInfo(info); err != nil {
		return err
	}
	defer func() { _ = os.Remove(c.state.serveInfo()) }() // the lock tells, too
	front.onStop = parts.face.Drain
	face.set(parts.face)
	if err := d.greet(c, parts, url, token); err != nil {
		return err
	}
	log.Log(ctx, oplog.Notice, "ready", "url", url, "version", info.Version, "database", parts.store.Info().Target)
	if d.served != nil {
		d.served(url)
	}

	// Stopped in reverse: first nobody gets in, then the engine ends.
	var group lifecycle.Group
	group.Add("engine", parts.engine.Run)
	group.Add("http", front.run)
	err = group.Run(ctx)
	log.Log(ctx, oplog.Notice, "stopped")
	return err
}

// parts are what serve wires together.
type parts struct {
	store    store.Store
	backends []engine.Backend
	dispatch *dispatch.Client
	engine   *engine.Engine
	face     *controlplane.Server
	shared   secret.Text
}

func (p *parts) close(log *slog.Logger) {
	if p.dispatch != nil {
		p.dispatch.Close()
	}
	for _, b := range p.backends {
		if err := b.Bucket.Close(); err != nil {
			log.Warn("close storage", "backend", b.Config.ID, "error", err)
		}
	}
	if err := p.store.Close(); err != nil {
		log.Warn("close database", "error", err)
	}
}

// wire is the one place that names the adapters.
func wire(ctx context.Context, c serveConfig, listener net.Listener, names []string, log *slog.Logger) (_ *parts, err error) {
	shared, err := c.sharedSecret() // before the database is touched
	if err != nil {
		return nil, err
	}
	st, err := openStore(ctx, c.databaseURL, c.state, postgres.Options{MaxConns: int32(c.databasePool), Log: log.With(oplog.Component, "db")})
	if err != nil {
		return nil, err
	}
	p := &parts{store: st, shared: shared}
	defer func() {
		if err != nil {
			p.close(log)
		}
	}()
	if err := prepareSchema(ctx, st, c.autoMigrate, log); err != nil {
		return nil, err
	}
	face := controlplane.Options{
		Hosts: names, Origins: c.origins(names), PublicURL: c.publicURL,
		RequireToken: c.requireToken, Secret: shared, TokenMaxAge: c.keep.workerTokens, BaseURLs: c.baseURLs,
		Console: web.Console(),
		Version: buildinfo.Version(), Build: buildinfo.ID(),
		Mode: c.mode, MaxConcurrency: c.maxConcurrency, PollInterval: c.pollInterval,
		DefaultBackend: c.defaultBackend, Log: log,
	}
	for _, config := range c.backends {
		bucket, err := all.Open(ctx, config)
		if err != nil {
			return nil, cliutil.Fail(cliutil.ExitFailed, err, "check STORAGE_BACKENDS")
		}
		config = all.Absolute(config, bucket)
		p.backends = append(p.backends, engine.Backend{Config: config, Bucket: bucket})
		face.Backends = append(face.Backends, config)
	}
	p.dispatch = dispatch.New(dispatch.Options{Own: own(listener), Allow: c.networks})
	p.engine, err = engine.New(st, p.dispatch, engine.Options{
		Mode: c.mode, MaxConcurrency: c.maxConcurrency, PollInterval: c.pollInterval,
		IdempotencyTTL: c.keep.idempotencyTTL, MaxRetryDelay: c.keep.maxRetryDelay,
		DeadLetterRetention: c.keep.deadLetters, RunRetention: c.keep.runs, AuditRetention: c.keep.audit, RunEventRetention: c.keep.runEvents,
		Secret: shared, Backends: p.backends, DefaultBackend: c.defaultBackend, Log: log,
	})
	if err != nil {
		return nil, err
	}
	face.Engine = p.engine
	p.face, err = controlplane.New(face)
	return p, err
}

// sharedSecret is the configured secret, or the state folder's own.
func (c serveConfig) sharedSecret() (secret.Text, error) {
	if !c.secret.Empty() {
		return c.secret, nil
	}
	own, err := c.state.sharedSecret()
	return own, cliutil.Fail(cliutil.ExitFailed, err,
		"make the file readable for this user, or name another with --secret-key-file")
}

// prepareSchema brings the embedded database up to date. A shared one is
// upgraded only when the operator said so, because other replicas use it.
func prepareSchema(ctx context.Context, st store.Store, autoMigrate bool, log *slog.Logger) error {
	target := st.Info().Target
	if st.Info().Shared && !autoMigrate {
		return schemaError(st.CheckSchema(ctx), target)
	}
	applied, err := st.Migrate(ctx)
	if err != nil {
		return schemaError(err, target)
	}
	if len(applied) > 0 {
		log.Info("database migrated", "database", target, "migrations", len(applied))
	}
	return nil
}

// adminAccess returns the admin token of this folder, and makes sure that the
// database knows it: made on the first start, taken along to another database.
func (s state) adminAccess(ctx context.Context, st store.Store) (secret.Text, error) {
	token, err := readSecret(s.adminToken())
	switch {
	case err == nil:
		if _, err := st.TokenByHash(ctx, token.Hash()); err == nil {
			return token, nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
	case !errors.Is(err, os.ErrNotExist):
		return "", err
	}
	return s.newAdminToken(ctx, st)
}

// greet tells a newcomer where everything is and what to type next. The
// sign-in address goes to standard output only, never into the log.
func (d *deps) greet(c serveConfig, p *parts, url string, token secret.Text) error {
	var text strings.Builder
	fmt.Fprintf(&text, "pipeweave %s\n\n", buildinfo.Version())
	fmt.Fprintf(&text, "  API       %s\n", url)
	fmt.Fprintf(&text, "  Console   %s/?token=%s\n", url, token.Reveal())
	fmt.Fprintf(&text, "  Database  %-6s  %s\n", p.store.Info().Name, p.store.Info().Target)
	for _, b := range p.backends {
		b := b.Config
		place := first(b.Credentials["basePath"], b.Endpoint+" "+b.Bucket)
		fmt.Fprintf(&text, "  Storage   %-6s  %s\n", b.Provider, place)
	}
	if c.requireToken {
		fmt.Fprintf(&text, "\nEvery caller needs a token. Workers that cannot send one use the base URL\n  %s%s\n", url, controlplane.CapabilityPath(p.shared))
	}
	fmt.Fprintf(&text, "\nNext:\n")
	connect := "pipedai-orchestrator connect --api-url " + first(c.publicURL, url)
	fmt.Fprintf(&text, "  %-*s  enrol a host\n", nextWidth, connect)
	fmt.Fprintf(&text, "  %-*s  let it in\n", nextWidth, "pipeweave enrollments approve CODE")
	fmt.Fprintf(&text, "  %-*s  run something\n", nextWidth, "pipeweave trigger PIPELINE --input '{}' --wait")
	fmt.Fprintf(&text, "\nCtrl-C stops it.\n")
	return d.printf("%s", text.String())
}

// nextWidth aligns the explanations of the next commands.
const nextWidth = 62

// own lists the addresses that dispatches must not go to: this server's.
func own(listener net.Listener) []netip.AddrPort {
	at, err := netip.ParseAddrPort(listener.Addr().String())
	if err != nil {
		return nil // not TCP: nothing can be dispatched there
	}
	return []netip.AddrPort{at}
}

// swapHandler serves whatever was set last.
type swapHandler struct{ now atomic.Value }

func (h *swapHandler) set(next http.Handler) { h.now.Store(&next) }

func (h *swapHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*h.now.Load().(*http.Handler)).ServeHTTP(w, r)
}

// frontEnd is the HTTP server, which answers before the rest is up.
type frontEnd struct {
	listener net.Listener
	server   *http.Server
	onStop   func() // ends streams and long polls; set before run
	ended    chan struct{}
	err      error // why; read after ended
}

// stopGrace is how long requests under way may take once the server stops.
const stopGrace = 10 * time.Second

func (f *frontEnd) start() {
	f.ended = make(chan struct{})
	go func() {
		defer close(f.ended)
		f.err = f.server.Serve(f.listener)
	}()
}

// run waits for ctx, then lets requests under way finish.
func (f *frontEnd) run(ctx context.Context) error {
	select {
	case <-f.ended:
		return fmt.Errorf("serve: %w", f.err)
	case <-ctx.Done():
	}
	f.onStop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := f.server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("requests did not end in time: %w", err), f.server.Close())
	}
	return nil
}

// abort ends the server however far it came. It may follow run.
func (f *frontEnd) abort() {
	_ = f.server.Close() // nothing left to save
	<-f.ended
}
