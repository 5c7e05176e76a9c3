package api

import "encoding/json"

// QueueTaskRequest is POST /api/queue/task.
type QueueTaskRequest struct {
	TaskID         string          `json:"taskId" validate:"required"`
	Input          json.RawMessage `json:"input,omitempty"`
	Priority       *float64        `json:"priority,omitempty"`
	Metadata       json.RawMessage `json:"metadata,omitempty"`
	IdempotencyKey string          `json:"idempotencyKey,omitempty" validate:"max=255"`
	ScheduledFor   *Time           `json:"scheduledFor,omitempty"`
	ValidationMode string          `json:"validationMode,omitempty" validate:"omitempty,oneof=strict warn none"`
	StorageBackend string          `json:"storageBackend,omitempty" validate:"max=255"` // id; the default one if absent
}

// QueueBatchRequest is POST /api/queue/batch: all of the tasks or none, at most
// MaxQueueBatch of them.
type QueueBatchRequest struct {
	Tasks []QueueTaskRequest `json:"tasks" validate:"required,dive"`
}

// MaxQueueBatch is the most tasks of one batch: they are queued in one
// transaction.
const MaxQueueBatch = 10_000

// QueuedBatch answers it: Results in the order of the request, Queued counts
// those that did not exist before.
type QueuedBatch struct {
	Queued  int          `json:"queued"`
	Results []QueuedTask `json:"results"`
}

// QueuedTask answers it.
type QueuedTask struct {
	RunID     string `json:"runId"`
	Status    string `json:"status"` // "queued", or "completed" on an idempotency hit
	TaskID    string `json:"taskId"`
	InputPath string `json:"inputPath"`
	// ValidationWarnings are what does not fit the task's schema, in mode "warn".
	ValidationWarnings map[string][]FieldError `json:"validationWarnings,omitempty"`
}

// QueueStatus answers GET /api/queue/status.
type QueueStatus struct {
	Pending       int  `json:"pending"`
	Running       int  `json:"running"`
	Waiting       int  `json:"waiting"`
	Completed     int  `json:"completed"`
	Failed        int  `json:"failed"`
	DLQ           int  `json:"dlq"`
	OldestPending Time `json:"oldestPending"`
}

// Tick answers POST /api/tick.
type Tick struct {
	Status    string `json:"status"`
	Processed int    `json:"processed"`
	Timestamp Time   `json:"timestamp"`
}

// QueueItem is one row of GET /api/queue/items.
type QueueItem struct {
	RunID         string `json:"runId"`
	TaskID        string `json:"taskId"`
	PipelineRunID string `json:"pipelineRunId,omitempty"`
	Priority      int    `json:"priority"`
	Status        string `json:"status"`
	Attempt       int    `json:"attempt"`
	MaxRetries    int    `json:"maxRetries"`
	ScheduledAt   Time   `json:"scheduledAt"`
	StartedAt     Time   `json:"startedAt"`
	CompletedAt   Time   `json:"completedAt"`
	CreatedAt     Time   `json:"createdAt"`
	CodeVersion   int    `json:"codeVersion"` // of its task, when it was queued
	Error         string `json:"error,omitempty"`
	ErrorCode     string `json:"errorCode,omitempty"`
}

// QueueItems answers GET /api/queue/items, by priority, then creation.
type QueueItems struct {
	Items  []QueueItem `json:"items"`
	Total  int         `json:"total"`
	Limit  int         `json:"limit"`
	Offset int         `json:"offset"`
}
