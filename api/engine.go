package api

import "encoding/json"

// Health answers GET /health.
type Health struct {
	Status          string      `json:"status"` // "ok"
	Database        string      `json:"database"`
	Maintenance     Maintenance `json:"maintenance"`
	CanAcceptTasks  bool        `json:"canAcceptTasks"`
	MaintenanceMode string      `json:"maintenanceMode"`
	Timestamp       Time        `json:"timestamp"`
}

// Maintenance is the maintenance status.
type Maintenance struct {
	Mode                string `json:"mode"` // "running", "waiting_for_maintenance" or "maintenance"
	CanEnterMaintenance bool   `json:"canEnterMaintenance"`
	PendingTasks        int    `json:"pendingTasks"`
	RunningTasks        int    `json:"runningTasks"`
	ModeChangedAt       Time   `json:"modeChangedAt"`
	Message             string `json:"message"`
	// By and Reason say who asked for maintenance and why, in words for people,
	// while it is waited for and while it lasts.
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// MaintenanceRequest is the optional body of POST /api/maintenance/request.
type MaintenanceRequest struct {
	Reason string `json:"reason,omitempty" validate:"max=500"` // why, for everybody to read
}

// Info answers GET /api/info.
type Info struct {
	Version               string   `json:"version"`
	Mode                  string   `json:"mode"`
	MaxConcurrency        int      `json:"maxConcurrency"`
	PollIntervalMs        int64    `json:"pollIntervalMs"`
	StorageBackends       []string `json:"storageBackends"`
	DefaultStorageBackend string   `json:"defaultStorageBackend"`
	Database              string   `json:"database"`
	Uptime                float64  `json:"uptime"` // seconds
	Timestamp             Time     `json:"timestamp"`
}

// Service is one registered service. It is active while it is heard of (a
// registration, claim, heartbeat, report or answered dispatch), disconnected
// when a dispatch did not reach it, and inactive after 10 minutes of silence; a
// service whose workers pull is inactive after 2 minutes and disconnected after
// 10. Nothing but what people see depends on it.
type Service struct {
	ID            string          `json:"id"`
	Version       string          `json:"version"`
	BaseURL       string          `json:"baseUrl"`
	Status        string          `json:"status"` // "active", "inactive" or "disconnected"
	RegisteredAt  Time            `json:"registeredAt"`
	LastHeartbeat Time            `json:"lastHeartbeat"`
	TaskCount     int             `json:"taskCount"`
	Metadata      json.RawMessage `json:"metadata"`
	// Health is "serving", "degraded" or "unserved", and HealthReason why, in a
	// sentence, where it is not serving.
	Health       string `json:"health"`
	HealthReason string `json:"healthReason,omitempty"`
	// Instances serve it. Those that are of no workspace that the caller may see
	// are only counted, under Elsewhere.
	Instances []ServiceInstance `json:"instances"`
	Elsewhere int               `json:"elsewhere"`
}

// Services answers GET /api/services.
type Services struct {
	Services []Service `json:"services"`
}

// ServiceDetail answers GET /api/services/{id}.
type ServiceDetail struct {
	Service Service `json:"service"`
	Tasks   []Task  `json:"tasks"`
}

// Tasks answers GET /api/services/{id}/tasks.
type Tasks struct {
	Tasks []Task `json:"tasks"`
}

// Task is one task definition.
type Task struct {
	ID                  string          `json:"id"`
	ServiceID           string          `json:"serviceId"`
	CodeHash            string          `json:"codeHash"`
	CodeVersion         int             `json:"codeVersion"`
	AllowedNext         []string        `json:"allowedNext"`
	Timeout             int64           `json:"timeout"` // seconds
	Retries             int             `json:"retries"`
	RetryBackoff        string          `json:"retryBackoff"`
	RetryDelayMs        int64           `json:"retryDelayMs"`
	MaxRetryDelayMs     int64           `json:"maxRetryDelayMs"`
	HeartbeatIntervalMs int64           `json:"heartbeatIntervalMs"`
	Concurrency         int             `json:"concurrency"`
	Priority            int             `json:"priority"`
	IdempotencyTTL      int64           `json:"idempotencyTTL,omitempty"`
	Description         string          `json:"description,omitempty"`
	InputSchema         json.RawMessage `json:"inputSchema,omitempty"`
	RegisteredAt        Time            `json:"registeredAt"`
	UpdatedAt           Time            `json:"updatedAt"`
}

// CodeVersion is one item of GET /api/tasks/{id}/history, a bare array.
type CodeVersion struct {
	CodeVersion    int    `json:"code_version"`
	CodeHash       string `json:"code_hash"`
	ServiceVersion string `json:"service_version"`
	RecordedAt     Time   `json:"recorded_at"`
}

// TaskSchema answers GET /api/tasks/{id}/input-schema.
type TaskSchema struct {
	TaskID    string          `json:"taskId"`
	HasSchema bool            `json:"hasSchema"`
	Schema    json.RawMessage `json:"schema"` // null without one
}

// ValidateInputRequest is POST /api/tasks/{id}/validate-input.
type ValidateInputRequest struct {
	Input json.RawMessage `json:"input,omitempty"`
}

// InputValidation answers it.
type InputValidation struct {
	Valid  bool         `json:"valid"`
	Errors []FieldError `json:"errors"`
}

// Pipeline is a definition; this object alone is snake_case on the wire.
type Pipeline struct {
	ID          string                  `json:"id"`
	Name        string                  `json:"name"`
	Description *string                 `json:"description"`
	EntryTasks  []string                `json:"entry_tasks"`
	Structure   map[string]PipelineNode `json:"structure"`
	Version     string                  `json:"version"`
	FailureMode string                  `json:"failure_mode"`
	CreatedAt   Time                    `json:"created_at"`
	UpdatedAt   Time                    `json:"updated_at"`
	Metadata    json.RawMessage         `json:"metadata"`
}

// PipelineNode is one task of a structure.
type PipelineNode struct {
	AllowedNext []string `json:"allowedNext"`
}

// Pipelines answers GET /api/pipelines.
type Pipelines struct {
	Pipelines []Pipeline `json:"pipelines"`
}

// PipelineDetail answers GET /api/pipelines/{id}.
type PipelineDetail struct {
	Pipeline Pipeline `json:"pipeline"`
}

// PipelineDefinition is PUT /api/pipelines/{id}: a pipeline that people write.
// Its graph is what the registered tasks make of its entries.
type PipelineDefinition struct {
	Name        string          `json:"name,omitempty" validate:"max=255"` // the id
	Description string          `json:"description,omitempty" validate:"max=4096"`
	EntryTasks  []string        `json:"entryTasks" validate:"max=1000"`
	FailureMode string          `json:"failureMode,omitempty" validate:"omitempty,oneof=fail-fast continue partial-merge"` // fail-fast
	Version     string          `json:"version,omitempty" validate:"max=255"`                                              // 1.0.0
	Metadata    json.RawMessage `json:"metadata,omitempty"`
}

// PipelinePut answers PUT /api/pipelines/{id}. With ?dryRun=1 nothing was
// stored; Pipeline is what would be, and Validation may have errors.
type PipelinePut struct {
	Pipeline   Pipeline   `json:"pipeline"`
	Validation Validation `json:"validation"`
}

// Validation is what is wrong with a definition. Errors forbid it, warnings do
// not.
type Validation struct {
	Valid    bool     `json:"valid"`
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
}

// PipelineDeleted answers DELETE /api/pipelines/{id}.
type PipelineDeleted struct {
	Success    bool   `json:"success"`
	PipelineID string `json:"pipelineId"`
}

// TriggerResponse answers POST /api/pipelines/{id}/trigger. The request is
// free-form (an envelope or the bare input) and read by the handler.
type TriggerResponse struct {
	PipelineRunID      string                  `json:"pipelineRunId"`
	Status             string                  `json:"status"`
	InputPath          string                  `json:"inputPath"`
	EntryTasks         []string                `json:"entryTasks"`
	QueuedTasks        []string                `json:"queuedTasks"`
	ValidationWarnings map[string][]FieldError `json:"validationWarnings,omitempty"`
}

// TriggerRequest is the envelope form of a trigger.
type TriggerRequest struct {
	Input          json.RawMessage `json:"input,omitempty"`
	FailureMode    string          `json:"failureMode,omitempty"`
	Priority       *int            `json:"priority,omitempty"`
	Metadata       json.RawMessage `json:"metadata,omitempty"`
	ValidationMode string          `json:"validationMode,omitempty"`
	IdempotencyKey string          `json:"idempotencyKey,omitempty"`
	ScheduledFor   *Time           `json:"scheduledFor,omitempty"`
	StorageBackend string          `json:"storageBackend,omitempty"` // id; the default one if absent
}

// FieldError is one problem of an input.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
	Code    string `json:"code"`
}

// DryRun answers POST /api/pipelines/{id}/dry-run.
type DryRun struct {
	Valid    bool       `json:"valid"`
	Errors   []string   `json:"errors"`
	Warnings []string   `json:"warnings"`
	Plan     []PlanStep `json:"executionPlan"`
	// InputErrors are what is wrong with the input by entry task, when one was
	// sent and something is.
	InputErrors map[string][]FieldError `json:"inputErrors,omitempty"`
	// InputSchemas are those of the entry tasks that have one.
	InputSchemas map[string]json.RawMessage `json:"inputSchemas,omitempty"`
}

// PlanStep is one level of a plan.
type PlanStep struct {
	Step     int      `json:"step"` // from 0
	Tasks    []string `json:"tasks"`
	Type     string   `json:"type"` // "entry", "parallel", "join" or "end"
	WaitsFor []string `json:"waitsFor,omitempty"`
	IsEnd    bool     `json:"isEnd"`
	// Concurrency are the limits of those tasks that have one.
	Concurrency map[string]int `json:"concurrency,omitempty"`
}

// Run is a pipeline run.
type Run struct {
	ID                string                  `json:"id"`
	PipelineID        string                  `json:"pipelineId"`
	PipelineVersion   string                  `json:"pipelineVersion"`
	Status            string                  `json:"status"`
	FailureMode       string                  `json:"failureMode"`
	InputPath         string                  `json:"inputPath"`
	OutputPath        string                  `json:"outputPath,omitempty"`
	StructureSnapshot map[string]PipelineNode `json:"structureSnapshot"`
	EntryTasks        []string                `json:"entryTasks"`
	Error             string                  `json:"error,omitempty"`
	Metadata          json.RawMessage         `json:"metadata"`
	TriggeredBy       string                  `json:"triggeredBy,omitempty"` // the name of the token that started it
	CreatedAt         Time                    `json:"createdAt"`
	StartedAt         Time                    `json:"startedAt"`
	CompletedAt       Time                    `json:"completedAt"`
}

// Runs answers GET /api/runs.
type Runs struct {
	Runs   []Run `json:"runs"`
	Total  int   `json:"total"`
	Limit  int   `json:"limit"`
	Offset int   `json:"offset"`
}

// RecentRuns answers GET /api/recent-runs: by pipeline the newest
// Limit runs, newest first. A pipeline that never ran is not in it.
type RecentRuns struct {
	Limit     int                    `json:"limit"`
	Pipelines map[string][]RunGlance `json:"pipelines"`
}

// RunGlance is what a list shows of a run.
type RunGlance struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	CreatedAt   Time   `json:"createdAt"`
	StartedAt   Time   `json:"startedAt"`
	CompletedAt Time   `json:"completedAt"`
}

// RunDetail answers GET /api/runs/{id}: the run's members, and its tasks.
type RunDetail struct {
	Run
	PipelineRunID string    `json:"pipelineRunId"`
	Tasks         []TaskRun `json:"tasks"`
}

// RunChanges answers GET /api/runs/{id}/changes: where the run stands, and those
// of its task runs that were asked for. A reader that knows another number of
// them than Total afterwards has missed some and reads the run whole.
type RunChanges struct {
	Status      string    `json:"status"`
	OutputPath  string    `json:"outputPath,omitempty"`
	Error       string    `json:"error,omitempty"`
	StartedAt   Time      `json:"startedAt"`
	CompletedAt Time      `json:"completedAt"`
	Total       int       `json:"total"` // task runs of the run
	Tasks       []TaskRun `json:"tasks"` // by creation
}

// TaskRun is one record of work.
type TaskRun struct {
	ID               string            `json:"id"`
	TaskID           string            `json:"taskId"`
	PipelineRunID    string            `json:"pipelineRunId,omitempty"`
	Status           string            `json:"status"`
	CodeVersion      int               `json:"codeVersion"`
	CodeHash         string            `json:"codeHash"`
	CodeChanged      bool              `json:"codeChanged"`
	FirstRun         bool              `json:"firstRun"`
	Attempt          int               `json:"attempt"`
	MaxRetries       int               `json:"maxRetries"`
	Priority         int               `json:"priority"`
	InputPath        string            `json:"inputPath"`
	OutputPath       string            `json:"outputPath,omitempty"`
	OutputSize       *int64            `json:"outputSize,omitempty"`
	Assets           map[string]Asset  `json:"assets,omitempty"`
	LogsPath         string            `json:"logsPath,omitempty"`
	Error            string            `json:"error,omitempty"`
	ErrorCode        string            `json:"errorCode,omitempty"`
	IdempotencyKey   string            `json:"idempotencyKey,omitempty"`
	UpstreamRefs     json.RawMessage   `json:"upstreamRefs"`
	SelectedNext     *[]string         `json:"selectedNext,omitempty"`
	PreviousAttempts []PreviousAttempt `json:"previousAttempts"` // those that failed; numbers may be missing
	ScheduledAt      Time              `json:"scheduledAt"`
	StartedAt        Time              `json:"startedAt"`
	CompletedAt      Time              `json:"completedAt"`
	LastHeartbeat    Time              `json:"lastHeartbeat"`
	CreatedAt        Time              `json:"createdAt"`
	Metadata         json.RawMessage   `json:"metadata"` // with progress and progressMessage
	// SupersededBy is the task run that made this one void: the retry that took
	// its place, or the one after which its task is made again.
	SupersededBy string `json:"supersededBy,omitempty"`
}

// StreamEvent is the data of one server-sent event of GET /api/stream: a
// notice that something changed, with what identifies it. Readers fetch what
// they show. Seq grows by one; a reader that reconnects sends the last one it
// saw as Last-Event-ID (or ?since=) and gets what it missed, or a "resync"
// when that is no longer held.
type StreamEvent struct {
	Seq        int64  `json:"seq"`
	Type       string `json:"type"` // "run", "service", "pipeline", "worker", "host", "enrollment", "rollout", "release", "mode" or "resync"
	RunID      string `json:"runId,omitempty"`
	TaskRunID  string `json:"taskRunId,omitempty"`
	PipelineID string `json:"pipelineId,omitempty"`
	ID         string `json:"id,omitempty"` // of a service, worker, host, enrolment or rollout; of a release: its program/version
	Status     string `json:"status,omitempty"`
	At         Time   `json:"at"`
}
