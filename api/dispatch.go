package api

import "encoding/json"

// RegisterRequest announces a worker: POST /api/register, and POST
// /api/v1/workers/self/register for a pulling worker, which sends no base URL.
// Pointers are members with a default: absent and null mean the same.
type RegisterRequest struct {
	ServiceID    string             `json:"serviceId" validate:"required,max=255"`
	Version      string             `json:"version" validate:"required,max=255"`
	BaseURL      string             `json:"baseUrl,omitempty" validate:"omitempty,max=2048,url"`
	Tasks        []TaskRegistration `json:"tasks" validate:"required,dive"`
	TokenFormat  string             `json:"tokenFormat,omitempty"`  // of storage tokens: "A" (default), "B" or "JWE"
	Capabilities []string           `json:"capabilities,omitempty"` // see the Capability constants
}

// CapabilityInlineInput says that the worker takes the input inside the
// dispatch when it is there, so that it need not be in storage.
const CapabilityInlineInput = "inline-input"

// TaskRegistration announces one task. Defaults are the contract's.
type TaskRegistration struct {
	ID                  string          `json:"id" validate:"required,max=255"`
	CodeHash            string          `json:"codeHash" validate:"required,max=255"`
	AllowedNext         []string        `json:"allowedNext"`
	Timeout             *float64        `json:"timeout,omitempty"` // seconds; 300
	Retries             *float64        `json:"retries,omitempty"` // 3
	RetryBackoff        string          `json:"retryBackoff,omitempty" validate:"omitempty,oneof=fixed exponential"`
	RetryDelayMs        *float64        `json:"retryDelayMs,omitempty"`        // 1000
	MaxRetryDelayMs     *float64        `json:"maxRetryDelayMs,omitempty"`     // 86400000
	HeartbeatIntervalMs *float64        `json:"heartbeatIntervalMs,omitempty"` // 60000
	Concurrency         *float64        `json:"concurrency,omitempty"`         // 0: unlimited
	Priority            *float64        `json:"priority,omitempty"`            // 100
	IdempotencyTTL      *float64        `json:"idempotencyTTL,omitempty"`      // seconds; 86400
	Description         string          `json:"description,omitempty"`
	InputSchema         json.RawMessage `json:"inputSchema,omitempty"`
}

// RegisterResponse answers a registration.
type RegisterResponse struct {
	Success       bool         `json:"success"`
	CodeChanges   []CodeChange `json:"codeChanges"`
	OrphanedTasks []string     `json:"orphanedTasks,omitempty"`
}

// CodeChange is a task whose hash differs from the stored one.
type CodeChange struct {
	TaskID     string `json:"taskId"`
	OldHash    string `json:"oldHash"`
	NewHash    string `json:"newHash"`
	OldVersion int    `json:"oldVersion"`
	NewVersion int    `json:"newVersion"`
}

// Dispatch hands one attempt to a worker: the body of POST
// {baseUrl}/tasks/{taskId}, and one item of a claim answer.
type Dispatch struct {
	RunID               string          `json:"runId"` // wire id: carries the attempt from the second on
	TaskID              string          `json:"taskId"`
	PipelineRunID       string          `json:"pipelineRunId,omitempty"`
	Attempt             int             `json:"attempt"`
	CodeVersion         int             `json:"codeVersion"`
	CodeHash            string          `json:"codeHash"`
	StorageToken        string          `json:"storageToken"`
	InputPath           string          `json:"inputPath"`
	InputSHA256         string          `json:"inputSha256,omitempty"` // hex; what the object at InputPath must hash to
	Input               json.RawMessage `json:"input,omitempty"`       // only to workers that take it inline
	UpstreamRefs        json.RawMessage `json:"upstreamRefs"`          // object, order counts, never null
	PreviousAttempts    json.RawMessage `json:"previousAttempts"`      // those that failed; a number may be missing, where an engine died before it knew of a worker
	HeartbeatIntervalMs int64           `json:"heartbeatIntervalMs"`
	TimeoutMs           int64           `json:"timeoutMs"`
	// EventsToken is what the worker shows when it reports events of this
	// attempt; absent when nobody wants them.
	EventsToken string `json:"eventsToken,omitempty"`
	// TempUploads are the uploaded files that the input names, by id.
	TempUploads map[string]TempUpload `json:"tempUploads,omitempty"`
}

// DispatchAccepted answers a dispatch with 202.
type DispatchAccepted struct {
	Acknowledged bool   `json:"acknowledged"`
	RunID        string `json:"runId"`
}

// HeartbeatRequest is POST /api/heartbeat and POST /api/progress.
type HeartbeatRequest struct {
	RunID    string   `json:"runId" validate:"required"`
	Progress *float64 `json:"progress,omitempty" validate:"omitempty,gte=0,lte=100"`
	Message  string   `json:"message,omitempty"`
	Attempt  int      `json:"attempt,omitempty" validate:"gte=0"`
}

// HeartbeatResponse answers it.
type HeartbeatResponse struct {
	Acknowledged bool `json:"acknowledged"`
	ShouldCancel bool `json:"shouldCancel"`
}

// CallbackRequest reports the end of an attempt: POST /api/callback/{runId}.
type CallbackRequest struct {
	Status       string           `json:"status" validate:"required,oneof=success failed"`
	OutputPath   string           `json:"outputPath,omitempty"`
	OutputSize   *float64         `json:"outputSize,omitempty" validate:"omitempty,gte=0"`
	OutputSHA256 string           `json:"outputSha256,omitempty" validate:"omitempty,sha256"`
	Assets       map[string]Asset `json:"assets,omitempty" validate:"omitempty,dive"`
	LogsPath     string           `json:"logsPath,omitempty"`
	SelectedNext *[]string        `json:"selectedNext,omitempty"` // absent: all; []: none
	Error        string           `json:"error,omitempty"`
	ErrorCode    string           `json:"errorCode,omitempty"`
	Retryable    *bool            `json:"retryable,omitempty"` // true
	Attempt      int              `json:"attempt,omitempty" validate:"gte=0"`
	Details      json.RawMessage  `json:"details,omitempty"`
}

// Asset is one stored result file.
type Asset struct {
	Path   string `json:"path" validate:"required"`
	Size   int64  `json:"size" validate:"gte=0"`
	Type   string `json:"type" validate:"oneof=json text binary"`
	SHA256 string `json:"sha256,omitempty" validate:"omitempty,sha256"`
}

// CallbackResponse answers a report. Which members are there depends on the
// case: success, failure, or a report of an attempt that is over.
type CallbackResponse struct {
	Acknowledged     bool  `json:"acknowledged"`
	QueuedDownstream *int  `json:"queuedDownstream,omitempty"`
	Retrying         *bool `json:"retrying,omitempty"`
	Ignored          bool  `json:"ignored,omitempty"`
}

// UpstreamRef is one member of Dispatch.UpstreamRefs.
type UpstreamRef struct {
	OutputPath string           `json:"outputPath"`
	SHA256     string           `json:"sha256,omitempty"` // of the output, hex
	Assets     map[string]Asset `json:"assets,omitempty"`
}

// PreviousAttempt is one item of Dispatch.PreviousAttempts.
type PreviousAttempt struct {
	Attempt   int    `json:"attempt"`
	Error     string `json:"error"`
	ErrorCode string `json:"errorCode,omitempty"`
	Timestamp string `json:"timestamp"` // when it failed
	// StartedAt is when it was claimed, RetryAt when the next one was due; absent
	// where that is not known, or no other was to come.
	StartedAt string `json:"startedAt,omitempty"`
	RetryAt   string `json:"retryAt,omitempty"`
	// ReasonClass is "infra" when the attempt was taken back because nothing was
	// heard of its worker: that says nothing of the task.
	ReasonClass string `json:"reasonClass,omitempty"`
}
