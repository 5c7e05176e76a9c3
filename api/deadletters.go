package api

import "encoding/json"

// DeadLetter is a task run that failed for good.
type DeadLetter struct {
	ID               string            `json:"id"`
	TaskRunID        string            `json:"taskRunId"`
	TaskID           string            `json:"taskId"`
	PipelineRunID    string            `json:"pipelineRunId,omitempty"`
	PipelineID       string            `json:"pipelineId,omitempty"`
	CodeVersion      int               `json:"codeVersion"` // at the failure
	CodeHash         string            `json:"codeHash"`
	Error            string            `json:"error"`
	Attempts         int               `json:"attempts"`
	PreviousAttempts []PreviousAttempt `json:"previousAttempts"` // every attempt, the last one included
	InputPath        string            `json:"inputPath"`
	Input            json.RawMessage   `json:"input"` // null when it cannot be read, or is large
	UpstreamRefs     json.RawMessage   `json:"upstreamRefs"`
	FailedAt         Time              `json:"failedAt"`
	RetriedAt        Time              `json:"retriedAt"`
	RetryRunID       string            `json:"retryRunId,omitempty"`
}

// DeadLetters answers GET /api/dlq, newest failure first.
type DeadLetters struct {
	Items []DeadLetter `json:"items"`
	Total int          `json:"total"`
}

// LetterGroup is dead letters of one task that failed alike: their errors have
// the same fingerprint, which is the first line without numbers, ids and what is
// quoted.
type LetterGroup struct {
	ID          string `json:"id"` // of the task and the fingerprint
	TaskID      string `json:"taskId"`
	Fingerprint string `json:"fingerprint"`
	Count       int    `json:"count"`
	Newest      Time   `json:"newest"`
	Oldest      Time   `json:"oldest"`
	// ExampleID is the newest of them, and Error the first 500 characters of its.
	ExampleID string `json:"exampleId"`
	Error     string `json:"error"`
}

// LetterGroups answers GET /api/dlq/groups, the largest first.
type LetterGroups struct {
	Groups []LetterGroup `json:"groups"`
	Rest   int           `json:"rest"`  // groups that are left out: 500 are told
	Total  int           `json:"total"` // dead letters of all of them
	// AsOf is when the newest of them failed: with it as to, later answers are
	// about these and no others. null: there is none.
	AsOf Time `json:"asOf"`
}

// LetterIDs answers GET /api/dlq/ids, newest failure first.
type LetterIDs struct {
	IDs  []string `json:"ids"`
	Next *string  `json:"next"` // what to send as after for those that follow; null: none do
}

// RetriedDeadLetter answers POST /api/dlq/{id}/retry.
type RetriedDeadLetter struct {
	NewRunID    string `json:"newRunId"`
	Status      string `json:"status"` // "queued"
	CodeVersion int    `json:"codeVersion"`
}

// RetryAllRequest is POST /api/dlq/retry-all. Without a filter it means all.
type RetryAllRequest struct {
	PipelineID string `json:"pipelineId,omitempty"`
	TaskID     string `json:"taskId,omitempty"`
	From       *Time  `json:"from,omitempty"` // failure
	To         *Time  `json:"to,omitempty"`
	Limit      int    `json:"limit,omitempty" validate:"min=0,max=10000"` // 1000
	// IDs are the ones to run again, and nothing else selects then.
	IDs []string `json:"ids,omitempty" validate:"max=1000"`
}

// RetriedAll answers it.
type RetriedAll struct {
	Retried int                `json:"retried"`
	Results []RetryResult      `json:"results"`
	Failed  []RetryNotPossible `json:"failed"`
}

// RetryResult is a dead letter that runs again.
type RetryResult struct {
	DLQID       string `json:"dlqId"`
	NewRunID    string `json:"newRunId"`
	Status      string `json:"status"` // "queued"
	CodeVersion int    `json:"codeVersion"`
}

// RetryNotPossible is a dead letter that does not.
type RetryNotPossible struct {
	DLQID string `json:"dlqId"`
	Error string `json:"error"`
}

// PurgeRequest is POST /api/dlq/purge: an age such as "7d" (units s, m, h, d
// and w), or days. Neither means the configured retention. IDs are the ones to
// delete, and no age counts then.
type PurgeRequest struct {
	IDs           []string `json:"ids,omitempty" validate:"max=1000"`
	OlderThan     string   `json:"olderThan,omitempty"`
	OlderThanDays *float64 `json:"olderThanDays,omitempty"`
}

// Purged answers it.
type Purged struct {
	Purged    int  `json:"purged"`
	OlderThan Time `json:"olderThan"` // what failed before is gone; null where ids were given
}

// Replay answers GET and POST /api/runs/{id}/replay: what would run again, or
// does now.
type Replay struct {
	PipelineRunID string   `json:"pipelineRunId"`
	Status        string   `json:"status"` // of the run
	Queued        []string `json:"queued"` // tasks that run at once
	Later         []string `json:"later"`  // tasks that run again after those
	Kept          int      `json:"kept"`   // task runs that completed and stay
}
