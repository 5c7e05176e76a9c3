package api

// The verdicts of a round of probes. Which one holds is a question of package
// connectivity.
const (
	VerdictOnline         = "online"
	VerdictAPIUnreachable = "api-unreachable"
	VerdictOffline        = "offline"
	VerdictUnknown        = "unknown" // nothing was probed yet, or there is nothing to probe
)

// ConnectivitySample is one round of probes of the daemon: one line of
// connectivity.log, and the sample of a "connectivity" frame.
type ConnectivitySample struct {
	TS       int64    `json:"ts"`       // ms
	Verdict  string   `json:"verdict"`  // "online", "api-unreachable", "offline" or "unknown"
	API      []Probe  `json:"api"`      // control planes, by their base URL
	Internet Internet `json:"internet"` // best of its targets
	Targets  []Probe  `json:"internetTargets,omitempty"`
}

// Probe is one try to reach a server. One that answered has a latency and a
// status and no error, whatever the status; for one that did not both are
// null.
type Probe struct {
	URL       string `json:"url"`
	OK        bool   `json:"ok"` // the status was 2xx
	LatencyMs *int64 `json:"latencyMs"`
	Status    *int   `json:"status"`
	Error     string `json:"error,omitempty"`
}

// Internet is whether something beyond the control planes can be reached. Off
// says that the owner of the host wants nobody asked; it was added, as were
// the single targets of a sample.
type Internet struct {
	OK        bool   `json:"ok"`
	LatencyMs *int64 `json:"latencyMs"`
	Status    *int   `json:"status"`
	Error     string `json:"error,omitempty"`
	Off       bool   `json:"off,omitempty"`
}

// Connectivity answers GET /api/connectivity, history oldest first. Current is
// the latest sample of the running daemon; before its first one the verdict is
// "unknown".
type Connectivity struct {
	Current *ConnectivitySample  `json:"current"`
	History []ConnectivitySample `json:"history"`
}

// ConnectivityReport answers POST /api/connectivity/check: what stands between
// this host and its control planes. OK says that nothing failed.
type ConnectivityReport struct {
	OK     bool                `json:"ok"`
	Checks []ConnectivityCheck `json:"checks"`
}

// ConnectivityCheck is one thing that was looked at.
type ConnectivityCheck struct {
	Target    string `json:"target"` // base URL of the control plane, or what else was looked at
	Name      string `json:"check"`
	OK        bool   `json:"ok"`
	Skipped   bool   `json:"skipped,omitempty"` // it was not made, and says why
	Message   string `json:"message"`
	Fix       string `json:"fix,omitempty"`
	Command   string `json:"command,omitempty"`
	LatencyMs *int64 `json:"latencyMs,omitempty"`
}

// Failed reports whether something is wrong.
func (c ConnectivityCheck) Failed() bool { return !c.OK && !c.Skipped }
