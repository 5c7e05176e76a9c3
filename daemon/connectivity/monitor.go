package connectivity

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pipedai/api"
)

// The pace and limits of the monitor.
const (
	defaultEvery = 20 * time.Second
	probeTimeout = 5 * time.Second
	ringSize     = 500
)

// DefaultInternet is what is asked to tell an outage of a control plane from
// one of the network: it answers 204 and nothing else, so that the login page
// of a hotel does not pass for it.
var DefaultInternet = []string{"https://www.google.com/generate_204"}

// Options of a Monitor. Planes and File are required.
type Options struct {
	// Planes returns the base URLs of the control planes, asked before each
	// round.
	Planes func(ctx context.Context) ([]string, error)
	// Internet are URLs beyond the control planes; none switches that probe off.
	Internet []string
	// File is connectivity.log.
	File string
	// OnSample is told of every sample; may be nil. It must not block.
	OnSample func(api.ConnectivitySample)
	// OnVerdict is told when a sample's verdict is another one than that of the
	// sample before; from is "unknown" for the first. May be nil.
	OnVerdict func(from string, sample api.ConnectivitySample)

	Every time.Duration // 20 s
	Proxy ProxyFunc     // nil: that of the environment
	Log   *slog.Logger
}

// Monitor probes and remembers. Make one with New.
type Monitor struct {
	o     Options
	began time.Time
	look  func(ctx context.Context, planes, internet []string) api.ConnectivitySample
	file  *historyFile

	mu      sync.Mutex
	current *api.ConnectivitySample
	ring    []api.ConnectivitySample // oldest first, at most ringSize
}

// New returns a monitor that knows nothing yet.
func New(o Options) *Monitor {
	if o.Every == 0 {
		o.Every = defaultEvery
	}
	if o.OnSample == nil {
		o.OnSample = func(api.ConnectivitySample) {}
	}
	if o.OnVerdict == nil {
		o.OnVerdict = func(string, api.ConnectivitySample) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	client := probeClient(o.Proxy)
	return &Monitor{
		o: o, began: time.Now(), file: &historyFile{path: o.File},
		look: func(ctx context.Context, planes, internet []string) api.ConnectivitySample {
			return probeAll(ctx, client, planes, internet)
		},
	}
}

// Run takes up the recorded history and probes, at once and then at its pace,
// until ctx ends.
func (m *Monitor) Run(ctx context.Context) error {
	m.recall()
	tick := time.NewTicker(m.o.Every)
	defer tick.Stop()
	for broken := false; ; {
		if err := m.once(ctx); err != nil && !broken {
			m.o.Log.Warn("connectivity cannot be recorded", "error", err) // once for a full disk, not every 20 s
			broken = true
		} else if err == nil && broken {
			m.o.Log.Info("connectivity is recorded again")
			broken = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// recall fills the ring from the file. A history that cannot be read is none.
func (m *Monitor) recall() {
	if err := tighten(m.o.File); err != nil {
		m.o.Log.Warn("others may read the recorded connectivity", "error", err)
	}
	samples, err := ReadTail(m.o.File, ringSize)
	if err != nil {
		m.o.Log.Warn("the recorded connectivity cannot be read", "error", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ring = samples
}

// once probes everything at the same time and keeps the result. Its error says
// why the sample is not in the file.
func (m *Monitor) once(ctx context.Context) error {
	planes, err := m.o.Planes(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	sample := m.look(ctx, planes, m.o.Internet)
	if ctx.Err() != nil {
		return nil // probes that were cut off say nothing about the network
	}
	m.mu.Lock()
	from := api.VerdictUnknown
	if m.current != nil {
		from = m.current.Verdict
	}
	m.current = &sample
	if len(m.ring) == ringSize {
		m.ring = append(m.ring[:0], m.ring[1:]...)
	}
	m.ring = append(m.ring, sample)
	m.mu.Unlock()
	err = m.file.add(sample)
	m.o.OnSample(sample)
	if from != sample.Verdict {
		m.o.OnVerdict(from, sample)
	}
	return err
}

// State returns the latest sample and up to n of the newest, oldest first.
func (m *Monitor) State(n int) api.Connectivity {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := api.Connectivity{History: []api.ConnectivitySample{}}
	if m.current != nil {
		current := *m.current
		out.Current = &current
	} else {
		out.Current = &api.ConnectivitySample{
			TS: m.began.UnixMilli(), Verdict: api.VerdictUnknown, API: []api.Probe{},
			Internet: api.Internet{Error: "not probed yet", Off: len(m.o.Internet) == 0},
		}
	}
	out.History = append(out.History, m.ring[len(m.ring)-min(n, len(m.ring)):]...)
	return out
}

// distinct returns base URLs without trailing slashes, each once, in order.
func distinct(urls []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, url := range urls {
		url = strings.TrimRight(url, "/")
		if url != "" && !seen[url] {
			seen[url] = true
			out = append(out, url)
		}
	}
	return out
}
