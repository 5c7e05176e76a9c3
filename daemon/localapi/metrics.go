package localapi

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newMetrics registers what GET /metrics tells. Values are read when asked
// for; nothing is counted twice.
func newMetrics(s *Server) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "pipedai_local_listeners", Help: "WebSocket clients of the local API.",
		}, func() float64 { return float64(s.o.Feed.Subscribers()) }),
		workerCollector{s},
	)
	return registry
}

// workerCollector reads the fused status at scrape time.
type workerCollector struct{ s *Server }

var (
	descUp = prometheus.NewDesc("pipedai_worker_up", "1 while the worker process runs.",
		[]string{"worker", "label", "state"}, nil)
	descRestarts = prometheus.NewDesc("pipedai_worker_restarts_total", "Times the worker process was started again.",
		[]string{"worker", "label"}, nil)
	descBusy = prometheus.NewDesc("pipedai_worker_busy", "1 while the control plane says that the worker has a run.",
		[]string{"worker", "label"}, nil)
	descAge = prometheus.NewDesc("pipedai_worker_remote_age_seconds", "Age of what is known of the worker from the control plane.",
		[]string{"worker", "label"}, nil)
)

func (c workerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descRestarts, descBusy, descAge} {
		ch <- d
	}
}

func (c workerCollector) Collect(ch chan<- prometheus.Metric) {
	if !c.s.o.Backend.Ready() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	workers, err := c.s.o.Backend.Workers(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descUp, err)
		return
	}
	for _, w := range workers {
		state, restarts := "unknown", 0
		if w.Local != nil {
			state, restarts = w.Local.State, w.Local.TotalRestarts
		}
		ch <- prometheus.MustNewConstMetric(descUp, prometheus.GaugeValue, number(state == "running"), w.ID, w.Label, state)
		ch <- prometheus.MustNewConstMetric(descRestarts, prometheus.CounterValue, float64(restarts), w.ID, w.Label)
		ch <- prometheus.MustNewConstMetric(descBusy, prometheus.GaugeValue, number(w.Busy), w.ID, w.Label)
		if !w.RemoteFetchedAt.IsZero() {
			age := time.Since(w.RemoteFetchedAt.Time).Seconds()
			ch <- prometheus.MustNewConstMetric(descAge, prometheus.GaugeValue, age, w.ID, w.Label)
		}
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
