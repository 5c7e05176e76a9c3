package localapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"pipedai/api"
	"pipedai/internal/buildinfo"
)

// newMetrics registers what GET /metrics tells. Values are read when asked
// for; nothing is counted twice. Processor, memory, open files and start of the
// daemon itself come from the process collector.
func newMetrics(s *Server) (*prometheus.Registry, *prometheus.CounterVec) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pipedai_local_requests_total", Help: "Requests of the local API that had the token, by route and status.",
	}, []string{"route", "status"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "pipedai_local_listeners", Help: "WebSocket clients of the local API.",
		}, func() float64 { return float64(s.o.Feed.Subscribers()) }),
		requests,
		hostCollector{s},
	)
	return registry, requests
}

// counted counts the answers of a route. A WebSocket counts when it ends.
func (s *Server) counted(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		s.requests.WithLabelValues(route, strconv.Itoa(seen.status)).Inc()
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

// Unwrap lets http.ResponseController and the WebSocket reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// hostCollector reads the daemon and the fused status at scrape time.
type hostCollector struct{ s *Server }

func workerDesc(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("pipedai_worker_"+name, help, append([]string{"worker", "label"}, more...), nil)
}

var (
	descUp       = workerDesc("up", "1 while the worker process runs.", "state")
	descRestarts = workerDesc("restarts_total", "Times the worker process was started again.")
	descBusy     = workerDesc("busy", "1 while the control plane says that the worker has a run.")
	descAge      = workerDesc("remote_age_seconds", "Age of what is known of the worker from the control plane.")
	descUptime   = workerDesc("uptime_seconds", "How long the worker process has been running.")
	descMemory   = workerDesc("memory_bytes", "Resident memory of the worker process and all it started.")
	descCPU      = workerDesc("cpu_seconds_total", "Processor time of the worker process and all it started; begins anew with the process.")
	descDropped  = workerDesc("log_dropped_lines_total", "Lines of the worker that could not be written to its log.")
	descLog      = workerDesc("log_bytes", "Size of the worker's log files.")

	descBuild   = prometheus.NewDesc("pipedai_daemon_build_info", "1, with the version and the build.", []string{"version", "build"}, nil)
	descStarted = prometheus.NewDesc("pipedai_daemon_start_time_seconds", "When this daemon started.", nil, nil)
	descVerdict = prometheus.NewDesc("pipedai_connectivity", "1 for the verdict of the latest probes.", []string{"verdict"}, nil)
	descPlane   = prometheus.NewDesc("pipedai_control_plane_up", "1 while the control plane answered when it was last asked.", []string{"url", "workspace"}, nil)
	descOps     = prometheus.NewDesc("pipedai_operations", "Operations among the newest 200, by status.", []string{"status"}, nil)
)

func (c hostCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descUp, descRestarts, descBusy, descAge, descUptime, descMemory, descCPU, descLog, descDropped,
		descBuild, descStarted, descVerdict, descPlane, descOps,
	} {
		ch <- d
	}
}

func gauge(ch chan<- prometheus.Metric, desc *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func (c hostCollector) Collect(ch chan<- prometheus.Metric) {
	gauge(ch, descBuild, 1, buildinfo.Version(), buildinfo.ID())
	c.verdict(ch)
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
		collectWorker(ch, w)
	}
	self, err := c.s.o.Backend.Self(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descStarted, err)
		return
	}
	if !self.StartedAt.IsZero() {
		gauge(ch, descStarted, float64(self.StartedAt.UnixMilli())/1000)
	}
	for _, p := range self.ControlPlanes {
		gauge(ch, descPlane, number(p.Reachable), p.APIURL, p.WorkspaceID)
	}
	operations, err := c.s.o.Lifecycle.Operations(ctx, maxOperations)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descOps, err)
		return
	}
	byStatus := map[string]int{}
	for _, o := range operations {
		byStatus[o.Status]++
	}
	for status, n := range byStatus {
		gauge(ch, descOps, float64(n), status)
	}
}

func (c hostCollector) verdict(ch chan<- prometheus.Metric) {
	now := api.VerdictUnknown
	if sample := c.s.o.Connectivity(1).Current; sample != nil {
		now = sample.Verdict
	}
	for _, v := range []string{api.VerdictOnline, api.VerdictAPIUnreachable, api.VerdictOffline, api.VerdictUnknown} {
		gauge(ch, descVerdict, number(v == now), v)
	}
}

func collectWorker(ch chan<- prometheus.Metric, w api.FusedWorker) {
	local := w.Local
	if local == nil {
		local = &api.LocalStatus{State: "unknown"}
	}
	gauge(ch, descUp, number(local.State == "running"), w.ID, w.Label, local.State)
	ch <- prometheus.MustNewConstMetric(descRestarts, prometheus.CounterValue, float64(local.TotalRestarts), w.ID, w.Label)
	gauge(ch, descBusy, number(w.Busy), w.ID, w.Label)
	ch <- prometheus.MustNewConstMetric(descDropped, prometheus.CounterValue, float64(local.LogDropped), w.ID, w.Label)
	gauge(ch, descLog, float64(local.LogBytes), w.ID, w.Label)
	if !w.RemoteFetchedAt.IsZero() {
		gauge(ch, descAge, time.Since(w.RemoteFetchedAt.Time).Seconds(), w.ID, w.Label)
	}
	if local.StartedAt != nil {
		gauge(ch, descUptime, time.Since(time.UnixMilli(*local.StartedAt)).Seconds(), w.ID, w.Label)
	}
	if local.MemoryBytes != nil {
		gauge(ch, descMemory, float64(*local.MemoryBytes), w.ID, w.Label)
	}
	if local.CPUSeconds != nil {
		ch <- prometheus.MustNewConstMetric(descCPU, prometheus.CounterValue, *local.CPUSeconds, w.ID, w.Label)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
