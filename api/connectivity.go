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
