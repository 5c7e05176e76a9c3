package store

import (
	"bytes"
	"encoding/json"
	"time"

	"pipedai/pipeline"
)

// Migration is one step of the schema.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero: pending
	Took      time.Duration
}

// Service is the registered identity of a worker.
type Service struct {
	ID            pipeline.ServiceID
	Version       string
	BaseURL       string // empty for a service whose workers only pull
	Status        string // "active", "inactive", "disconnected"
	InlineInput   bool   // its workers take the input inside the dispatch
	RegisteredAt  time.Time
	LastHeartbeat time.Time // zero: never
	TaskCount     int
	Metadata      json.RawMessage
}

// Task is a task definition.
type Task struct {
	ID                pipeline.TaskID
	Service           pipeline.ServiceID
	CodeHash          string
	CodeVersion       int
	AllowedNext       []pipeline.TaskID
	Timeout           time.Duration // whole seconds
	Retry             pipeline.RetryPolicy
	HeartbeatInterval time.Duration
	Concurrency       int // 0: unlimited
	Priority          int // lower runs first
	IdempotencyTTL    time.Duration
	Description       string
	InputSchema       json.RawMessage // nil: none
	RegisteredAt      time.Time
	UpdatedAt         time.Time
	Removed           bool // gone with a later version of its service
}

// CodeVersion is one line of a task's code history.
type CodeVersion struct {
	Task           pipeline.TaskID
	Version        int
	Hash           string
	ServiceVersion string
	RecordedAt     time.Time
}

// Pipeline is a definition as stored.
type Pipeline struct {
	ID          pipeline.ID
	Name        string
	Description string
	EntryTasks  []pipeline.TaskID
	Structure   pipeline.Structure
	FailureMode pipeline.FailureMode
	Version     string
	Source      string // "service", "task" or "api"; kept in metadata.source
	Metadata    json.RawMessage
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// PipelineRun is one passage through a pipeline.
type PipelineRun struct {
	ID          pipeline.RunID
	Pipeline    pipeline.ID
	Version     string // of the definition
	Status      pipeline.RunStatus
	FailureMode pipeline.FailureMode
	Structure   pipeline.Structure // snapshot
	EntryTasks  []pipeline.TaskID  // snapshot
	InputPath   string
	OutputPath  string
	Error       string
	Metadata    json.RawMessage
	TriggeredBy string // who started it, in words for people; empty: nobody said
	CreatedAt   time.Time
	StartedAt   time.Time
	CompletedAt time.Time
}

// Asset is one named result file of a task run.
type Asset struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Type   string `json:"type"`             // "json", "text" or "binary"
	SHA256 string `json:"sha256,omitempty"` // hex; empty when its worker did not say
}

// Upstream is the result of one task that an attempt builds on.
type Upstream struct {
	Task       pipeline.TaskID  `json:"-"`
	OutputPath string           `json:"outputPath"`
	SHA256     string           `json:"sha256,omitempty"` // of the output, hex; empty when its worker did not say
	Assets     map[string]Asset `json:"assets,omitempty"`
}

// UpstreamRefs are the upstream results of an attempt in the order that
// counts on the wire: direct predecessors last. As JSON it is an object keyed
// by task id, in that order, and never null.
type UpstreamRefs []Upstream

// MarshalJSON writes the object in slice order. The end of a long chain has many
// members, and each is written twice, so nothing but assets goes through
// encoding/json.
func (refs UpstreamRefs) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 2+len(refs)*128)
	out = append(out, '{')
	for i, ref := range refs {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendJSON(out, string(ref.Task)), `:{"outputPath":`...)
		out = appendJSON(out, ref.OutputPath)
		if ref.SHA256 != "" {
			out = appendJSON(append(out, `,"sha256":`...), ref.SHA256)
		}
		if len(ref.Assets) > 0 {
			assets, err := json.Marshal(ref.Assets)
			if err != nil {
				return nil, err
			}
			out = append(append(out, `,"assets":`...), assets...)
		}
		out = append(out, '}')
	}
	return append(out, '}'), nil
}

// appendJSON adds a text as encoding/json writes it.
func appendJSON(out []byte, text string) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			quoted, _ := json.Marshal(text) // a text always encodes
			return append(out, quoted...)
		}
	}
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"')
}

// UnmarshalJSON reads the object, keeping the order of its members.
func (refs *UpstreamRefs) UnmarshalJSON(data []byte) error {
	if plain, ok := plainRefs(string(data)); ok {
		*refs = plain
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if token, err := dec.Token(); err != nil || token == nil {
		return err // null reads as no refs
	}
	*refs = nil
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		ref := Upstream{}
		if err := dec.Decode(&ref); err != nil {
			return err
		}
		if name, ok := key.(string); ok {
			ref.Task = pipeline.TaskID(name)
		}
		*refs = append(*refs, ref)
	}
	return nil
}

// plainRefs reads refs that have plain texts and no assets, as most have, at a
// tenth of what encoding/json takes. It is not ok where it meets anything else.
func plainRefs(text string) (refs UpstreamRefs, ok bool) {
	p := plainReader{text}
	if !p.next('{') {
		return nil, false
	}
	for first := true; !p.next('}'); first = false {
		if !first && !p.next(',') {
			return nil, false
		}
		task, ok := p.text()
		if !ok || !p.next(':') || !p.next('{') {
			return nil, false
		}
		ref := Upstream{Task: pipeline.TaskID(task)}
		for first := true; !p.next('}'); first = false {
			if !first && !p.next(',') {
				return nil, false
			}
			name, named := p.text()
			if !named || !p.next(':') {
				return nil, false
			}
			value, ok := p.text()
			switch {
			case ok && name == "outputPath":
				ref.OutputPath = value
			case ok && name == "sha256":
				ref.SHA256 = value
			default:
				return nil, false
			}
		}
		refs = append(refs, ref)
	}
	return refs, p.rest == ""
}

// plainReader reads JSON up to the first thing that is not plain.
type plainReader struct{ rest string }

func (p *plainReader) space() {
	for p.rest != "" && (p.rest[0] == ' ' || p.rest[0] == '\n' || p.rest[0] == '\t' || p.rest[0] == '\r') {
		p.rest = p.rest[1:]
	}
}

func (p *plainReader) next(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	p.space()
	return true
}

func (p *plainReader) text() (string, bool) {
	p.space()
	if p.rest == "" || p.rest[0] != '"' {
		return "", false
	}
	p.rest = p.rest[1:]
	for i := range len(p.rest) {
		switch c := p.rest[i]; {
		case c == '"':
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			return text, true
		case c < ' ', c > '~', c == '\\':
			return "", false
		}
	}
	return "", false
}

// ReasonInfra is the class of failures that are those of a machine or a
// network, not of the task.
const ReasonInfra = "infra"

// PastAttempt is one attempt that failed.
type PastAttempt struct {
	Attempt   int    `json:"attempt"`
	Error     string `json:"error"`
	ErrorCode string `json:"errorCode,omitempty"`
	Timestamp string `json:"timestamp"` // when it failed; ISO 8601, UTC, milliseconds
	// StartedAt is when it was claimed, RetryAt when the next one was due; empty
	// where that is not known, or no other was to come.
	StartedAt string `json:"startedAt,omitempty"`
	RetryAt   string `json:"retryAt,omitempty"`
	// ReasonClass is "infra" when the attempt was taken back because nothing was
	// heard of its worker; it says nothing of the task.
	ReasonClass string `json:"reasonClass,omitempty"`
}

// TaskRun is one record of work.
type TaskRun struct {
	ID               pipeline.TaskRunID
	Task             pipeline.TaskID
	Run              pipeline.RunID // empty: standalone
	Status           pipeline.TaskStatus
	Attempt          int
	MaxRetries       int
	Priority         int
	CodeHash         string
	CodeVersion      int
	CodeChanged      bool // differs from the version of this task's previous run
	FirstRun         bool // no earlier run of this task
	InputPath        string
	OutputPath       string
	OutputSize       int64
	OutputSHA256     string // hex; empty when its worker did not say
	LogsPath         string
	Assets           map[string]Asset
	UpstreamRefs     UpstreamRefs
	SelectedNext     []pipeline.TaskID // nil: all
	PreviousAttempts []PastAttempt
	Error            string
	ErrorCode        string
	IdempotencyKey   string
	CancelRequested  bool
	Progress         *float64
	ProgressMessage  string
	ScheduledFor     time.Time
	CreatedAt        time.Time
	StartedAt        time.Time
	HeartbeatAt      time.Time
	CompletedAt      time.Time
	Metadata         json.RawMessage
	// SupersededBy is the task run that made this one void: the retry that took
	// its place, or the first of those after which its task is made again. Empty
	// for one that counts.
	SupersededBy pipeline.TaskRunID
}

// QueueStatus counts task runs. The counts are kept, not counted: reading
// them costs the same however long the history is.
type QueueStatus struct {
	Pending, Running, Waiting, Completed, Failed, DeadLetters int
	OldestPending                                             time.Time // zero: nothing pending
}

// Mode is the maintenance mode of the installation.
type Mode string

const (
	// ModeRunning accepts work.
	ModeRunning Mode = "running"
	// ModeWaiting finishes what there is and accepts nothing new.
	ModeWaiting Mode = "waiting_for_maintenance"
	// ModeMaintenance has nothing left to do.
	ModeMaintenance Mode = "maintenance"
)

// ModeStatus is the maintenance mode with the counts that decide about it.
type ModeStatus struct {
	Mode             Mode
	Pending, Running int
	ChangedAt        time.Time
	Reason           ModeReason // of waiting and of maintenance
}

// ModeReason is who asked for maintenance, and why, in words for people.
type ModeReason struct{ By, Text string }
