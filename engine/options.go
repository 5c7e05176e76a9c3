package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"time"

	"pipedai/internal/secret"
	"pipedai/pipeline"
	"pipedai/storage"
)

// The two modes of an engine.
const (
	// Standalone runs every loop until it is told to stop.
	Standalone = "standalone"
	// Serverless runs nothing by itself: whoever calls Tick is the clock.
	Serverless = "serverless"
)

// Options configure an engine. Zero values mean the documented default.
type Options struct {
	// Replica names this process towards the store; a random name by default.
	Replica string
	// Mode is Standalone (the default) or Serverless.
	Mode string
	// MaxConcurrency bounds the runs in state running in the whole
	// installation, and with it the dispatches under way here. 10.
	MaxConcurrency int
	// PollInterval is the safety net: how long work whose wake-up was lost can
	// lie. Nothing waits for it in normal operation. 1 s.
	PollInterval time.Duration
	// DispatchTimeout bounds one exchange with a worker. 5 s.
	DispatchTimeout time.Duration
	// InlineLimit is the largest input, in bytes, that rides in the database.
	// 16 KiB; negative keeps none there.
	InlineLimit int
	// Secret is what the engine shares with pushed-to workers; it seals the
	// storage token. Required.
	Secret secret.Text
	// Backends are the places objects are kept. At least one.
	Backends []Backend
	// DefaultBackend is the id of the one that inputs are written to and workers
	// are given. The first one by default.
	DefaultBackend string
	// MaxRetryDelay caps the delay of tasks that register without a cap. 24 h.
	MaxRetryDelay time.Duration
	// IdempotencyTTL applies to tasks that register without one, and to
	// pipelines. 24 h.
	IdempotencyTTL time.Duration
	// DeadLetterRetention is how long dead letters are kept. 30 days; negative
	// keeps them.
	DeadLetterRetention time.Duration
	// RunRetention is how long runs that have ended are kept, with their task
	// runs. Zero keeps them.
	RunRetention time.Duration
	// AuditRetention is how long lines of the audit log are kept. Zero keeps them.
	AuditRetention time.Duration
	// RunEventRetention is how long the events of task runs are kept, if their
	// runs are not deleted sooner. 7 days; negative keeps them.
	RunEventRetention time.Duration
	// Log receives what an operator should see. Nothing by default.
	Log *slog.Logger
}

// Backend is one place objects are kept: how a worker reaches it, and how the
// engine does.
type Backend struct {
	Config storage.Config
	Bucket storage.Bucket
}

func (o Options) withDefaults() Options {
	o.Replica = cmp.Or(o.Replica, "engine-"+pipeline.Random(8))
	o.Mode = cmp.Or(o.Mode, Standalone)
	o.MaxConcurrency = cmp.Or(o.MaxConcurrency, 10)
	o.PollInterval = cmp.Or(o.PollInterval, time.Second)
	o.DispatchTimeout = cmp.Or(o.DispatchTimeout, 5*time.Second)
	o.InlineLimit = cmp.Or(o.InlineLimit, 16<<10)
	o.MaxRetryDelay = cmp.Or(o.MaxRetryDelay, 24*time.Hour)
	o.IdempotencyTTL = cmp.Or(o.IdempotencyTTL, 24*time.Hour)
	o.DeadLetterRetention = cmp.Or(o.DeadLetterRetention, 30*24*time.Hour)
	o.RunEventRetention = cmp.Or(o.RunEventRetention, 7*24*time.Hour)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// validate reports every problem of options that have their defaults.
func (o Options) validate() error {
	var errs []error
	fail := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	if o.Mode != Standalone && o.Mode != Serverless {
		fail("mode is %q, not %q or %q", o.Mode, Standalone, Serverless)
	}
	for name, value := range map[string]int64{
		"max concurrency":  int64(o.MaxConcurrency),
		"poll interval":    int64(o.PollInterval),
		"dispatch timeout": int64(o.DispatchTimeout),
		"max retry delay":  int64(o.MaxRetryDelay),
		"idempotency ttl":  int64(o.IdempotencyTTL),
		"run retention":    int64(o.RunRetention),
		"audit retention":  int64(o.AuditRetention),
	} {
		if value < 0 {
			fail("%s is negative", name)
		}
	}
	if o.Secret.Empty() {
		// An empty secret would seal storage credentials with a key of zeros.
		fail("secret is empty")
	}
	return errors.Join(errs...)
}

// backends indexes o.Backends by id and picks the default one. Paths of local
// backends become absolute: engine and workers have different working folders.
func (o Options) backends() (map[string]Backend, Backend, error) {
	if len(o.Backends) == 0 {
		return nil, Backend{}, errors.New("at least one storage backend must be configured")
	}
	all := map[string]Backend{}
	for _, b := range o.Backends {
		if _, twice := all[b.Config.ID]; twice {
			return nil, Backend{}, fmt.Errorf("duplicate storage backend ID: %s", b.Config.ID)
		}
		if base, set := b.Config.Credentials["basePath"]; set && b.Config.Provider == "local" {
			abs, err := filepath.Abs(base)
			if err != nil {
				return nil, Backend{}, fmt.Errorf("storage backend %q: %w", b.Config.ID, err)
			}
			b.Config.Credentials = maps.Clone(b.Config.Credentials)
			b.Config.Credentials["basePath"] = abs
		}
		all[b.Config.ID] = b
	}
	chosen, known := all[cmp.Or(o.DefaultBackend, o.Backends[0].Config.ID)]
	if !known {
		return nil, Backend{}, fmt.Errorf("default storage backend '%s' not found", o.DefaultBackend)
	}
	return all, chosen, nil
}
