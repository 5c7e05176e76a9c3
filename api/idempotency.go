package api

// IdempotencyCheck is POST /api/idempotency/check: a worker that holds an
// attempt asks whether its work was done before.
type IdempotencyCheck struct {
	RunID   string `json:"runId" validate:"required"` // of the dispatch
	Attempt int    `json:"attempt,omitempty" validate:"min=0"`
	Key     string `json:"key" validate:"required,max=255"`
}

// IdempotencyAnswer answers it. After a hit the worker reports the cached
// result instead of executing. While another attempt under way has the key,
// inProgress is true and the worker asks again later. Otherwise the key is
// the run's, and its result will be remembered.
type IdempotencyAnswer struct {
	Hit          bool             `json:"hit"`
	InProgress   bool             `json:"inProgress,omitempty"`
	OutputPath   string           `json:"outputPath,omitempty"`
	OutputSize   *int64           `json:"outputSize,omitempty"`
	OutputSHA256 string           `json:"outputSha256,omitempty"`
	Assets       map[string]Asset `json:"assets,omitempty"`
	SelectedNext *[]string        `json:"selectedNext,omitempty"` // what followed it; all when absent
	Of           string           `json:"of,omitempty"`           // the task run it is about
}
