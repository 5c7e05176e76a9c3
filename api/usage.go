package api

// HostFacts is how much the machine of a daemon has, and has left. What the
// system does not tell is 0.
type HostFacts struct {
	CPUs            int      `json:"cpus"`
	Load1           *float64 `json:"load1"` // average of the last minute; null: not told
	MemoryBytes     int64    `json:"memoryBytes"`
	MemoryFreeBytes int64    `json:"memoryFreeBytes"`
	DiskBytes       int64    `json:"diskBytes"` // of the disk with the host's folder
	DiskFreeBytes   int64    `json:"diskFreeBytes"`
}

// UsageHistory answers GET /api/usage: what workers took lately.
type UsageHistory struct {
	// EveryMs is how far samples are apart; the first of a daemon are closer.
	EveryMs int64         `json:"everyMs"`
	Items   []WorkerUsage `json:"items"` // by worker
}

// WorkerUsage is what one worker took, oldest first. There is no sample of the
// times at which it had no process.
type WorkerUsage struct {
	WorkerID string        `json:"workerId"`
	Samples  []UsageSample `json:"samples"`
}

// UsageSample is what the processes of a worker took at one moment, together.
type UsageSample struct {
	TS          int64   `json:"ts"`  // ms
	PID         int     `json:"pid"` // of its leader; another one counts its time anew
	MemoryBytes int64   `json:"memoryBytes"`
	CPUSeconds  float64 `json:"cpuSeconds"` // since that process began
}
