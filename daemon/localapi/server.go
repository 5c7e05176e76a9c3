package localapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/internal/secret"
	"pipedai/internal/workerlog"
)

// maxBody bounds a request body; the largest legal one is far smaller.
const maxBody = 64 << 10

// Action is a verb on one worker.
type Action string

// The verbs of the routes.
const (
	ActionStart   Action = "start"
	ActionStop    Action = "stop"
	ActionEnable  Action = "enable"
	ActionDisable Action = "disable"
	ActionDelete  Action = "delete"
	ActionRestart Action = "restart"
)

// ActRequest is a verb with how it is meant. It is comparable.
type ActRequest struct {
	Verb  Action
	Drain bool   // disable: answer when the run in hand has ended
	Now   bool   // stop, restart, delete: do not wait for the run in hand
	By    string // who asked: "cli", "dashboard" or another program
}

// Backend is what the routes act on. An unknown worker is ErrUnknownWorker.
type Backend interface {
	// Ready reports whether the manifest is open and workers are looked after.
	// Until then no other method is called.
	Ready() bool
	// Workers returns every managed worker, in manifest order.
	Workers(ctx context.Context) ([]api.FusedWorker, error)
	// Worker returns one worker with its settings and how its last processes
	// ended; ErrUnknownWorker.
	Worker(ctx context.Context, id string) (api.WorkerDetail, error)
	// ChangeWorker changes its settings, from its next start on; ErrUnknownWorker,
	// or *api.Error with 422 and nothing changed.
	ChangeWorker(ctx context.Context, id string, change api.WorkerSettingsChange) (api.WorkerDetail, error)
	// Act carries out a verb, and is done or says what is still under way.
	Act(ctx context.Context, id string, req ActRequest) (api.ActionResult, error)
	// Reload takes up what another program changed in the manifest.
	Reload(ctx context.Context, req api.ReloadRequest) (api.Reloaded, error)
	// Logs opens the captured output of a worker. The caller closes it.
	Logs(ctx context.Context, id string) (*workerlog.Files, error)
	// Known reports whether the worker is managed here.
	Known(ctx context.Context, id string) (bool, error)
	// Leave ends the daemon and leaves its workers running, after the answer is
	// sent. It is the same however often it is asked.
	Leave(ctx context.Context, comeBack bool, reason string) (api.Leaving, error)
	// Self describes the daemon.
	Self(ctx context.Context) (api.SelfStatus, error)
}

// Options are the parts of a Server. All but Command and Log are required.
type Options struct {
	// Host and Port the server is bound to: they decide which Host and Origin
	// headers are ours. An empty Host is 127.0.0.1; what else means this machine
	// is ours with any.
	Host string
	Port int
	// Token opens everything but the page's files and liveness.
	Token secret.Text
	// CurrentToken reads the token anew, after a request came with one that is
	// not Token; nil never does. When it is another one it takes Token's place,
	// sockets opened with the old one are closed, and TokenReplaced, if there is
	// one, is told.
	CurrentToken  func() (secret.Text, error)
	TokenReplaced func()

	Backend Backend
	// Lifecycle is what builds workers and keeps the journals.
	Lifecycle Lifecycle
	// Upgrades is what puts workers on other versions.
	Upgrades Upgrades
	// Adoption is what takes stand-alone workers in.
	Adoption Adoption
	// SelfUpgrade makes the daemon another version of itself.
	SelfUpgrade SelfUpgrade
	// Doctor looks at what stands between the host and its control planes.
	Doctor Doctor
	// Usage remembers what workers took.
	Usage Usage
	// Config is what the daemon was started with.
	Config api.HostConfig
	Feed   *Feed
	// Connectivity returns the latest sample of the network probes and up to n
	// of the newest. It answers while the daemon starts, too.
	Connectivity func(n int) api.Connectivity
	// Dashboard serves the page's files; they hold no secret.
	Dashboard http.Handler
	// RunsDir is the folder of run event files.
	RunsDir string
	// Command words a command line of this program, as this host's owner types
	// it; nil is for the usual home.
	Command func(args string) string
	// Explain words an error of the parts above that is about this host, not
	// about the request; nil, also of the function, for any other.
	Explain func(error) *api.Error
	Log     *slog.Logger
}

// Server answers on the loopback port.
type Server struct {
	o        Options
	kit      *httpkit.Kit
	runs     *runFiles
	metrics  *prometheus.Registry
	requests *prometheus.CounterVec
	guesses  guesses
	token    atomic.Pointer[token]
	recheck  recheck
	// document is the OpenAPI description, made when it is first asked for.
	document func() ([]byte, error)

	sockets sync.WaitGroup
	// How often a silent socket is asked whether it lives, and how long it may
	// take to say so.
	pingEvery, pingTimeout time.Duration
}

// New makes a server; it serves nothing by itself, see Handler.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Command == nil {
		o.Command = func(args string) string { return "pipedai-orchestrator " + args }
	}
	s := &Server{o: o, runs: newRunFiles(o.RunsDir), pingEvery: pingEvery, pingTimeout: pingTimeout}
	s.kit = &httpkit.Kit{Map: s.mapError, MaxBody: maxBody, Strict: true, Log: o.Log}
	if s.o.TokenReplaced == nil {
		s.o.TokenReplaced = func() {}
	}
	s.token.Store(newToken(o.Token))
	s.metrics, s.requests = newMetrics(s)
	s.document = sync.OnceValues(func() ([]byte, error) { return s.description().JSON() })
	return s
}

// Handler returns the whole server: request ids and headers, the guard, the
// routes.
func (s *Server) Handler() http.Handler {
	return httpkit.WithRequestID(httpkit.SecurityHeaders(s.kit.Recover(s.guard(s.routes()))))
}

// Close ends the WebSockets, telling each why, and returns when all are gone.
// The Feed must not be published to afterwards.
func (s *Server) Close() {
	s.o.Feed.Close()
	s.sockets.Wait()
}
