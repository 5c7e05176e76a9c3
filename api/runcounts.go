package api

// RunCounts answers GET /api/run-counts: how the runs stand that were created
// in the last hours. A run counts where it was created, not where it ended.
type RunCounts struct {
	From   Time  `json:"from"`
	To     Time  `json:"to"` // the end of the step that is under way
	StepMs int64 `json:"stepMs"`
	// Since is where the counting begins. It is later than From where more runs
	// were created than one look counts: 50,000.
	Since     Time            `json:"since"`
	Runs      int             `json:"runs"`      // how many were counted
	Steps     []RunTally      `json:"steps"`     // every step from From to To, the empty ones too
	Pipelines []PipelineTally `json:"pipelines"` // those with runs, the most failed first
}

// RunTally is a number of runs by how they are now.
type RunTally struct {
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
	Partial   int `json:"partial"`
	Cancelled int `json:"cancelled"`
	Active    int `json:"active"` // pending or running
}

// PipelineTally counts the runs of one pipeline.
type PipelineTally struct {
	PipelineID string     `json:"pipelineId"`
	Runs       RunTally   `json:"runs"`
	LastFailed *FailedRun `json:"lastFailed,omitempty"` // the newest that failed
}

// FailedRun is a run that failed, and why.
type FailedRun struct {
	ID        string `json:"id"`
	Error     string `json:"error"` // its first 500 characters
	CreatedAt Time   `json:"createdAt"`
}
