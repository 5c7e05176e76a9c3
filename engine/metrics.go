package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pipedai/pipeline"
	"pipedai/store"
)

// How a dispatch can go, as the metrics name it.
const (
	dispatchAccepted = "accepted" // the worker took the attempt
	dispatchBusy     = "busy"     // it asked for less; nothing was sent
	dispatchRefused  = "refused"  // it, or the policy about addresses, said no
	dispatchFailed   = "failed"   // it was not reached, or did not answer in time
)

// metrics counts what one engine does. Depth and age of the queue are the
// store's to tell, because they are the same for all replicas.
type metrics struct {
	claims      prometheus.Counter
	dispatches  map[string]prometheus.Observer
	ends        map[pipeline.TaskStatus]prometheus.Counter
	retries     prometheus.Counter
	deadLetters prometheus.Counter
	released    prometheus.Counter
	rescued     prometheus.Counter
	runs        map[pipeline.RunStatus]prometheus.Counter
	steps       *prometheus.HistogramVec

	all []prometheus.Collector
}

func newMetrics() *metrics {
	m := &metrics{
		dispatches: map[string]prometheus.Observer{},
		ends:       map[pipeline.TaskStatus]prometheus.Counter{},
		runs:       map[pipeline.RunStatus]prometheus.Counter{},
	}
	m.claims = m.counter("pipeweave_claims_total", "Attempts claimed here, by push and by pull.")
	m.retries = m.counter("pipeweave_retries_total", "Attempts that failed and are tried again.")
	m.deadLetters = m.counter("pipeweave_dead_letters_total", "Task runs that failed for good.")
	rescues := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pipeweave_rescues_total", Help: "Lost attempts taken back: released ones never reached a worker, expired ones fell silent or took too long.",
	}, []string{"kind"})
	m.released, m.rescued = rescues.WithLabelValues("released"), rescues.WithLabelValues("expired")

	latency := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "pipeweave_dispatch_seconds", Help: "Time until a worker answered a dispatch, by outcome.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .05, .2, 1, 5},
	}, []string{"outcome"})
	for _, outcome := range []string{dispatchAccepted, dispatchBusy, dispatchRefused, dispatchFailed} {
		m.dispatches[outcome] = latency.WithLabelValues(outcome)
	}
	ends := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pipeweave_completions_total", Help: "Task runs that ended here, by status.",
	}, []string{"status"})
	for _, status := range []pipeline.TaskStatus{pipeline.TaskCompleted, pipeline.TaskFailed, pipeline.TaskTimeout, pipeline.TaskCancelled} {
		m.ends[status] = ends.WithLabelValues(string(status))
	}
	runs := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pipeweave_runs_total", Help: "Pipeline runs that ended here, by status.",
	}, []string{"status"})
	for _, status := range []pipeline.RunStatus{pipeline.RunCompleted, pipeline.RunFailed, pipeline.RunPartial, pipeline.RunCancelled} {
		m.runs[status] = runs.WithLabelValues(string(status))
	}
	m.steps = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "pipeweave_store_seconds", Help: "Time of a step of the database, a batch whole.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .05, .2, 1, 5},
	}, []string{"step"})
	m.all = append(m.all, rescues, latency, ends, runs, m.steps)
	return m
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.all = append(m.all, c)
	return c
}

// ended counts what a batch of ends led to.
func (m *metrics) ended(ends []store.EndedAttempt) {
	for _, end := range ends {
		if end.Err != nil {
			continue
		}
		if !end.RetryAt.IsZero() {
			m.retries.Inc()
		}
		if end.DeadLetter != "" {
			m.deadLetters.Inc()
		}
		if counter, is := m.ends[end.Status]; is {
			counter.Inc()
		}
		if counter, is := m.runs[end.RunEnded]; is {
			counter.Inc()
		}
	}
}

func (m *metrics) dispatched(begun time.Time, outcome string) {
	m.dispatches[outcome].Observe(time.Since(begun).Seconds())
}

// Collectors are the metrics of this engine, to be registered once.
func (e *Engine) Collectors() []prometheus.Collector { return e.metrics.all }
