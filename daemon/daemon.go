package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"pipedai/api"
	"pipedai/daemon/launch"
	"pipedai/daemon/localapi"
	"pipedai/enroll"
	"pipedai/internal/buildinfo"
	"pipedai/internal/hostdir"
	"pipedai/internal/httpkit"
	"pipedai/internal/lifecycle"
	"pipedai/internal/localnet"
	"pipedai/manifest"
	"pipedai/supervisor"
	"pipedai/upgrade"
)

// The defaults of Options.
const (
	DefaultHost = "127.0.0.1"
	DefaultPort = 4599
)

// Options of a daemon. Dir and Dashboard are required.
type Options struct {
	Dir hostdir.Dir
	// Host and Port to listen on. Host must be loopback; empty means
	// DefaultHost. Port 0 means any free one; DefaultPort is the usual one.
	Host string
	Port int
	// WorkerProgram names the program to spawn; empty looks for it, see
	// FindWorkerProgram.
	WorkerProgram string
	// WorkerArgs go before "run --config <file>" of every worker.
	WorkerArgs []string
	// WorkerEnv is added to the environment of workers, which is the daemon's
	// own without our secrets.
	WorkerEnv []string
	// StopGrace is how long a worker may take to finish the run it has in hand
	// when it is stopped; 0 means five minutes.
	StopGrace time.Duration
	// StopWait bounds how long an answer to "stop" waits for the end of the
	// process; 0 means 30 s. The stop itself goes on.
	StopWait time.Duration
	// VerifyLimit bounds how long a version that a worker is upgraded to may take
	// to prove itself; 0 means a minute. DrainLimit bounds how long a drain waits
	// for the run in hand; 0 means half an hour.
	VerifyLimit, DrainLimit time.Duration
	// KillRevoked has the workers of a control plane that revoked this host killed;
	// otherwise they finish the runs they have in hand.
	KillRevoked bool
	// DenyRollouts has the host refuse what control planes tell it to do.
	DenyRollouts bool
	// PollEvery is the pace of asking control planes; 0 means 15 s.
	PollEvery time.Duration
	// Internet are the URLs that tell an outage of a control plane from one of
	// the network, see connectivity.DefaultInternet; none asks nobody.
	Internet []string
	// Policy says when a worker that ended is started again; the zero value is
	// the supervisor's default.
	Policy supervisor.Policy
	// ServiceManager is who starts the daemon again when it leaves in order to
	// come back; empty when it does so itself.
	ServiceManager string
	// Restarting is asked when the daemon is told to stop: whether that is only
	// to start it again, so that its workers may run on. nil says never.
	Restarting func(ctx context.Context) bool
	// CannotRestart says why the daemon cannot come back by itself; empty when
	// it can.
	CannotRestart string
	// Origin is the installed program, when another version stands in for it; the
	// zero value is this program itself.
	Origin launch.Origin
	// Trial has the daemon only tried; see Trial.
	Trial *Trial
	// Logs bounds what is kept of workers' output.
	Logs LogLimits
	// Runs bounds what is kept of the events of runs.
	Runs RunLimits
	// KeepVersions is how many versions of a program are kept on this host; 0
	// means upgrade.DefaultKeep. NPM is how packages of Node are installed.
	KeepVersions int
	NPM          upgrade.NPM
	// Config is what it was started with, for people to see.
	Config api.HostConfig
	// Dashboard serves the page's files.
	Dashboard http.Handler
	// Listening is told the URL once nothing can be in the way any more; may be
	// nil.
	Listening func(url string)
	// Ready is called once workers are looked after; may be nil.
	Ready func()
	// Draining is called when the end begins, with the number of workers that
	// are stopped and how long the slowest may take; may be nil.
	Draining func(workers int, within time.Duration)
	Log      *slog.Logger

	// What tests set: how long a drain waits and how often it looks, how long
	// a control plane may take, who is told where an action is, and operations
	// and orders of their own.
	drainLimit, drainPace   time.Duration
	askLimit                time.Duration
	ownVersions             selfVersions
	adoptSettle, adoptWatch time.Duration
	verifyStay, verifyPace  time.Duration
	probeLimit              time.Duration
	versions                versions
	reached                 func(point string)
	opKinds                 []opKind             // besides opKinds()
	orderKinds              map[string]orderKind // besides orderKinds()
}

func (o *Options) defaults() {
	if o.Host == "" {
		o.Host = DefaultHost
	}
	if o.StopGrace == 0 {
		o.StopGrace = 5 * time.Minute
	}
	if o.StopWait == 0 {
		o.StopWait = 30 * time.Second
	}
	o.VerifyLimit = cmp.Or(o.VerifyLimit, defaultVerifyLimit)
	o.verifyStay, o.verifyPace = cmp.Or(o.verifyStay, defaultVerifyStay), cmp.Or(o.verifyPace, defaultVerifyPace)
	o.probeLimit = cmp.Or(o.probeLimit, probeLimit)
	o.drainLimit = cmp.Or(o.drainLimit, o.DrainLimit, defaultDrainLimit)
	if o.askLimit == 0 {
		o.askLimit = defaultAskLimit
	}
	if o.drainPace == 0 {
		o.drainPace = defaultDrainPace
	}
	if o.Listening == nil {
		o.Listening = func(string) {}
	}
	if o.Ready == nil {
		o.Ready = func() {}
	}
	if o.Draining == nil {
		o.Draining = func(int, time.Duration) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Run is the daemon. It takes the lock of the home, then the port, and touches
// workers only after both: a second daemon, or a busy port, changes nothing.
// It returns *RunningError, *localnet.BusyError and the manifest's errors for
// those cases.
//
// When ctx ends it stops in order: no more actions, no more remote loops, the
// workers (each finishes the run it has in hand), then the sockets and the
// port. A daemon that is killed instead leaves its workers running; so does one
// that was asked to leave, which returns *LeftError.
func Run(ctx context.Context, o Options) error {
	o.defaults()
	ctx, end := context.WithCancel(ctx)
	defer end()
	if err := o.Dir.Make(); err != nil {
		return err
	}
	release, err := Hold(ctx, o.Dir)
	if err != nil {
		return err
	}
	defer release()
	listener, err := localnet.Listen(ctx, o.Host, o.Port)
	if err != nil {
		return err
	}
	o.say(launch.StageLocked)
	defer func() { _ = listener.Close() }() // closed by the server already, unless it never began
	hosts, err := manifest.Open(ctx, o.Dir.Manifest())
	if err != nil {
		return err
	}
	defer func() { _ = hosts.Close() }()
	if wasOpen, err := enroll.Protect(o.Dir.Credentials()); err != nil {
		return err
	} else if wasOpen {
		o.Log.Warn("others could read the credentials of this host; their mode is 600 now", "file", o.Dir.Credentials())
	}
	creds, err := enroll.EnsureLocalToken(o.Dir.Credentials())
	if err != nil {
		return err
	}
	o.say(launch.StageManifest)
	h := newHost(o, hosts)
	h.end = end
	defer h.meter.close()
	info := Info{PID: os.Getpid(), Port: localnet.Port(listener), Version: buildinfo.Version(), StartedAt: api.At(h.startedAt)}
	if info.Host, _, err = net.SplitHostPort(listener.Addr().String()); err != nil {
		return fmt.Errorf("find the address of the local API: %w", err)
	}
	if err := h.greet(ctx, info); err != nil {
		return err
	}
	defer func() { _ = os.Remove(o.Dir.DaemonInfo()) }()
	h.sweepVersions(ctx)

	server := localapi.New(localapi.Options{
		Host: info.Host, Port: info.Port, Token: creds.LocalToken, Backend: h, Lifecycle: h, Adoption: h, Upgrades: h, SelfUpgrade: h, Doctor: h, Usage: h, Config: o.Config, Feed: h.feed,
		CurrentToken: h.localToken, TokenReplaced: h.tokenReplaced, Connectivity: h.connectivity.State,
		Dashboard: o.Dashboard, RunsDir: o.Dir.Runs(), Command: h.command, Explain: h.explain, Log: o.Log,
	})
	o.Listening(info.URL())

	// What is added first stops last: people can watch the workers drain.
	var parts lifecycle.Group
	parts.Add("local API", func(ctx context.Context) error { return serve(ctx, listener, server, o.Log) })
	parts.Add("host", h.run)
	err = parts.Run(ctx)
	if left := h.left.Load(); left != nil && h.phase.Load() == phaseDetaching {
		left.Port = info.Port
		return errors.Join(left, err)
	}
	return err
}

// serve answers until ctx ends, then closes the sockets with a reason and
// gives requests in flight a moment.
func serve(ctx context.Context, listener net.Listener, server *localapi.Server, log *slog.Logger) error {
	web := httpkit.Server(server.Handler(), log)
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the local API: %w", err)
	case <-ctx.Done():
	}
	server.Close()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if web.Shutdown(limit) != nil {
		_ = web.Close() // somebody holds a request open; the workers are stopped already
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the local API: %w", err)
	}
	return nil
}

// run takes up the workers and keeps everything going until ctx ends.
func (h *host) run(ctx context.Context) error {
	if h.o.Trial != nil {
		return h.try(ctx)
	}
	var parts lifecycle.Group
	parts.Add("events", h.events.run)
	parts.Add("status", h.broadcast)
	parts.Add("supervisor", h.supervise)
	parts.Add("remote", h.remote.Run)
	parts.Add("connectivity", h.connectivity.Run)
	parts.Add("operations", h.operations.run)
	parts.Add("orders", h.orders.run)
	parts.Add("actions", h.lanes.run)
	parts.Add("runs", h.runs.run)
	parts.Add("own version", h.settleVersion)
	parts.Add("usage", h.watchUsage)
	return parts.Run(ctx)
}

// supervise runs the supervisor. When ctx ends the workers are stopped, unless
// it was leave that ended it: then they run on, as they would had the process
// been killed.
func (h *host) supervise(ctx context.Context) error {
	running, detach := context.WithCancel(context.WithoutCancel(ctx))
	defer detach()
	ended := make(chan error, 1)
	go func() { ended <- h.supervisor.Run(running) }()
	select {
	case <-h.supervisor.Began(): // so that what runs is known once the manifest was applied
	case err := <-ended:
		return err
	}

	err := h.resumeHolds(ctx)
	if err == nil {
		_, err = h.reload(ctx)
	}
	if err != nil && ctx.Err() == nil {
		detach()
		return errors.Join(fmt.Errorf("take up the workers: %w", err), <-ended)
	}
	h.phase.Store(phaseReady)
	close(h.ready)
	h.changed()
	h.runs.nudge()
	h.o.Ready()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	h.leaveIfRestarting(running)
	if !h.phase.CompareAndSwap(phaseReady, phaseStopping) && workersOutlive {
		detach()
		return <-ended
	}
	h.changed()
	h.o.Draining(h.runningWorkers(), h.longestGrace(running))
	err = h.supervisor.StopAll(running)
	detach()
	return errors.Join(err, <-ended)
}
