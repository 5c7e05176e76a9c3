package api

// WorkerDetail answers GET /api/workers/{id}: the worker with what it is given
// and how its last processes ended.
type WorkerDetail struct {
	Worker   FusedWorker    `json:"worker"`
	Settings WorkerSettings `json:"settings"`
	Exits    []WorkerExit   `json:"exits"` // newest first, at most 20
}

// WorkerSettings is what one worker is given instead of the daemon's defaults,
// with the defaults filled in. It takes effect when its process starts.
type WorkerSettings struct {
	Dir         string         `json:"dir"`
	Env         []WorkerEnv    `json:"env"` // names only: values are never told
	AuthMode    string         `json:"authMode"`
	StopGraceMs int64          `json:"stopGraceMs"`
	Restart     WorkerRestarts `json:"restart"`
	Limits      WorkerLimits   `json:"limits"`
}

// WorkerEnv is one variable of a worker's environment.
type WorkerEnv struct {
	Name   string `json:"name"`
	Secret bool   `json:"secret"` // its value is kept in a file of the owner's, not in the manifest
}

// WorkerRestarts is when a worker that ended by itself is started again.
type WorkerRestarts struct {
	BackoffMs  []int64 `json:"backoffMs"`  // before the 1st, 2nd, ... restart in a row; the last repeats
	StableMs   int64   `json:"stableMs"`   // a run of this length forgets the restarts before it
	Budget     int     `json:"budget"`     // restarts in a row before it is left crashed; negative: for ever
	FinalCodes []int   `json:"finalCodes"` // exit codes after which it is not started again
}

// WorkerLimits is what a worker with everything it starts may use; 0 is no
// limit.
type WorkerLimits struct {
	MemoryBytes int64   `json:"memoryBytes"`
	CPU         float64 `json:"cpu"` // whole processors
	PIDs        int64   `json:"pids"`
	NoFile      int64   `json:"nofile"` // open files, of each process
}

// WorkerExit is how one process of a worker ended.
type WorkerExit struct {
	Generation int64   `json:"generation"`
	How        string  `json:"how"` // "exited", "killed", "unknown" or "not-started"
	Code       *int    `json:"code"`
	Signal     *string `json:"signal"`
	Detail     string  `json:"detail,omitempty"`
	StartedAt  int64   `json:"startedAt"` // ms
	EndedAt    int64   `json:"endedAt"`   // ms
}

// WorkerSettingsChange is PATCH /api/workers/{id}. Members that are left out
// stay as they are; what is named replaces what was, and 0, "" and [] bring the
// default back. Members it does not know are refused.
type WorkerSettingsChange struct {
	Dir         *string               `json:"dir,omitempty"`
	Env         map[string]*string    `json:"env,omitempty"`       // null takes a variable out
	SecretEnv   map[string]*string    `json:"secretEnv,omitempty"` // kept apart, in a 0600 file
	AuthMode    *string               `json:"authMode,omitempty"`  // "claude-max", "api-key" or ""
	StopGraceMs *int64                `json:"stopGraceMs,omitempty"`
	Restart     *WorkerRestartsChange `json:"restart,omitempty"`
	Limits      *WorkerLimitsChange   `json:"limits,omitempty"`
}

// WorkerRestartsChange changes WorkerRestarts.
type WorkerRestartsChange struct {
	BackoffMs  *[]int64 `json:"backoffMs,omitempty"`
	StableMs   *int64   `json:"stableMs,omitempty"`
	Budget     *int     `json:"budget,omitempty"`
	FinalCodes *[]int   `json:"finalCodes,omitempty"`
}

// WorkerLimitsChange changes WorkerLimits.
type WorkerLimitsChange struct {
	MemoryBytes *int64   `json:"memoryBytes,omitempty"`
	CPU         *float64 `json:"cpu,omitempty"`
	PIDs        *int64   `json:"pids,omitempty"`
	NoFile      *int64   `json:"nofile,omitempty"`
}
