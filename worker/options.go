package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"pipedai/client"
	"pipedai/internal/backoff"
	"pipedai/internal/buildinfo"
	"pipedai/internal/secret"
	"pipedai/storage"
)

// Secret is a credential; it prints as ***.
type Secret = secret.Text

// Options say how to reach a control plane and how to work for it. The zero
// value of a field means the documented default.
type Options struct {
	// APIURL is the control plane's base URL; required.
	APIURL string
	// Token is sent as bearer: the worker's own for Run, where it is required;
	// for Listen whatever the control plane asks of programs, or none.
	Token Secret
	// Storage opens what storage tokens name; required. See storage/all.
	Storage OpenBucket
	// Scratch is the parent of the attempts' folders; a folder below the
	// system's for temporary files.
	Scratch string
	// DrainTimeout is how long attempts may go on after the worker was told to
	// stop, before they are ended; 0 means as long as their own timeouts allow.
	// Reports that cannot be delivered are given up half a minute after that.
	DrainTimeout time.Duration
	// RunEventsDir keeps the events of each run in a file there; none if empty.
	RunEventsDir string
	// TokenFile is the worker.json that Token was read from. Run writes a new
	// token there when the control plane wants it replaced; empty: it cannot.
	TokenFile string
	// Log takes what the worker does; nothing is logged without it.
	Log *slog.Logger
	// HTTP makes the requests; a client of its own.
	HTTP *http.Client

	// Secret opens storage tokens. Listen: the secret shared with the engine;
	// required. Run uses Token.
	Secret Secret
	// Listener accepts pushed work. Nil: one on Addr.
	Listener net.Listener
	// Addr is where Listen listens; 127.0.0.1:8080.
	Addr string
	// BaseURL is how the engine reaches Listen; http://localhost:<port>.
	BaseURL string

	// Version of the program, sent with each beat of Run; that of this build.
	Version string
	// Slots bounds how many attempts Run has at once; 8. Several sets share
	// them out evenly.
	Slots int
	// ClaimWait is how long a claim waits for work; 20 seconds.
	ClaimWait time.Duration
	// BeatInterval is the longest time between two beats of Run; 15 seconds.
	BeatInterval time.Duration

	retry   backoff.Policy // between failed calls; 1 s growing to 30 s
	wait    backoff.Policy // while another attempt is at the same work; 250 ms growing to 5 s
	renew   time.Duration  // between registrations of Listen; 5 minutes
	settle  time.Duration  // for reports once everything was told to end; 30 s
	stuck   time.Duration  // see stuckAfter
	gather  time.Duration  // see gatherFor
	minBeat time.Duration  // between beats that progress asked for; 500 ms
}

func (o Options) withDefaults() Options {
	set(&o.Version, buildinfo.Version())
	set(&o.Slots, 8)
	set(&o.ClaimWait, 20*time.Second)
	set(&o.BeatInterval, 15*time.Second)
	set(&o.Addr, "127.0.0.1:8080")
	set(&o.retry, backoff.Policy{Base: time.Second, Max: 30 * time.Second})
	set(&o.wait, backoff.Policy{Base: 250 * time.Millisecond, Max: 5 * time.Second})
	set(&o.renew, 5*time.Minute)
	set(&o.settle, 30*time.Second)
	set(&o.stuck, stuckAfter)
	set(&o.gather, gatherFor)
	set(&o.minBeat, 500*time.Millisecond)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// set fills in a default.
func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports every problem that both ways of working share.
func (o Options) validate(sets ...*Set) error {
	var problems []error
	if u, err := url.Parse(o.APIURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		problems = append(problems, fmt.Errorf("the control plane's URL %q is not an http or https URL", o.APIURL))
	}
	if o.Storage == nil {
		problems = append(problems, errors.New("no way to open storage was given"))
	}
	if o.Slots < 0 || o.DrainTimeout < 0 {
		problems = append(problems, errors.New("slots and drain timeout cannot be negative"))
	}
	for _, s := range sets {
		if err := s.Validate(); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (o Options) client() *client.Client {
	return client.New(o.APIURL, client.Options{Token: o.Token, HTTP: o.HTTP, UserAgent: "pipedai-worker/" + o.Version})
}

// executor makes the part that runs attempts, and the folder they run in.
// Storage tokens are sealed with one of the secrets.
func (o Options) executor(s *Set, c *client.Client, secrets func() []Secret, tokens *storage.TokenReader, events *runEvents) (*executor, error) {
	scratch := o.Scratch
	if scratch == "" {
		scratch = filepath.Join(os.TempDir(), fmt.Sprintf("pipedai-%d", os.Getuid()))
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, fmt.Errorf("create scratch folder: %w", err)
	}
	x := &executor{
		set: s, open: o.Storage, secrets: secrets, tokens: tokens, scratch: scratch, log: o.Log, stuck: o.stuck,
		asker:  asker{check: c.CheckIdempotency, wait: o.wait, retry: o.retry},
		hidden: []string{o.Token.Reveal()}, events: events,
	}
	return x, nil
}

// drain lets the runs in hand end: by themselves first, told to after limit,
// given up a while later. live carries their reports; kill ends it.
func drain(h *hand, limit, settle time.Duration, kill context.CancelCauseFunc, log *slog.Logger) {
	empty := h.close()
	if n := h.size(); n > 0 {
		log.Info("stopping: runs in hand are waited for", "runs", n)
	}
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-empty:
		case <-timer.C:
			log.Warn("stopping: runs did not end in time and are ended", "runs", h.size(), "after", limit)
			h.endAll(ErrDrained)
			settled := time.AfterFunc(settle, func() { kill(ErrDrained) })
			defer settled.Stop()
		}
	}
	<-empty
}
