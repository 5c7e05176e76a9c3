package controlplane

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pipedai/internal/httpkit"
	"pipedai/store"
)

// metrics is what GET /metrics tells. Labels come from the route table and
// the store's own words, never from a request.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(st store.Store, engine []prometheus.Collector) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pipeweave_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pipeweave_http_request_seconds", Help: "Time to answer, by route. Streams and long polls count whole.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60},
		}, []string{"route"}),
	}
	for _, c := range append([]prometheus.Collector{
		m.requests, m.seconds, queueCollector{st},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}, engine...) {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// exposition answers GET /metrics.
func (s *Server) exposition(w http.ResponseWriter, r *http.Request) {
	s.metrics.handler().ServeHTTP(w, r)
}

// count measures a route, and tells a detailed log of every request.
func (m *metrics) count(pattern string, log *slog.Logger, next http.Handler) http.Handler {
	// What nearly every answer counts in is looked up once, when it first happens.
	seconds := sync.OnceValue(func() prometheus.Observer { return m.seconds.WithLabelValues(pattern) })
	good := sync.OnceValue(func() prometheus.Counter { return m.requests.WithLabelValues(pattern, "200") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		begun := time.Now()
		defer func() {
			if seen.status == http.StatusOK {
				good().Inc()
			} else {
				m.requests.WithLabelValues(pattern, strconv.Itoa(seen.status)).Inc()
			}
			took := time.Since(begun)
			seconds().Observe(took.Seconds())
			if log.Enabled(r.Context(), slog.LevelDebug) {
				log.DebugContext(r.Context(), "request answered", "method", r.Method, "path", r.URL.Path, "status", seen.status, "ms", took.Milliseconds(), "request", httpkit.RequestID(r.Context()))
			}
		}()
		next.ServeHTTP(seen, r)
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets streams flush through it.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// queueCollector reads the queue's counts when it is asked; the store keeps
// them, so that costs the same however long the history is.
type queueCollector struct{ st store.Store }

var (
	queueDesc  = prometheus.NewDesc("pipeweave_task_runs", "Task runs by state.", []string{"state"}, nil)
	oldestDesc = prometheus.NewDesc("pipeweave_oldest_pending_seconds", "Age of the oldest pending task run.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c queueCollector) Describe(out chan<- *prometheus.Desc) {
	out <- queueDesc
	out <- oldestDesc
}

// Collect implements prometheus.Collector.
func (c queueCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	q, err := c.st.QueueStatus(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(queueDesc, fmt.Errorf("the database does not answer"))
		return
	}
	for state, n := range map[string]int{
		"pending": q.Pending, "running": q.Running, "waiting": q.Waiting,
		"completed": q.Completed, "failed": q.Failed, "dead_letter": q.DeadLetters,
	} {
		out <- prometheus.MustNewConstMetric(queueDesc, prometheus.GaugeValue, float64(n), state)
	}
	age := 0.0
	if !q.OldestPending.IsZero() {
		age = max(0, time.Since(q.OldestPending).Seconds())
	}
	out <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age)
}
