package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/storage"
)

// Set is the tasks of one service. Fill it with Register before it is used;
// after that it does not change and is safe for concurrent use.
type Set struct {
	service  string
	version  string
	tasks    map[string]*entry
	order    []string
	problems []error
	build    func() string
}

// entry is a task with its handler.
type entry struct {
	Task
	handler Handler
}

// Handler does a task. It returns the output, which is stored as JSON, or an
// error: a *TaskError says more about it. It must end soon after ctx is done.
type Handler func(ctx *Context) (output any, err error)

// NoRetries is Task.Retries for a task that has one attempt only.
const NoRetries = -1

// Task describes a task. Zero values mean the documented default.
type Task struct {
	// ID names the task. It is unique among all services of a control plane
	// and may hold only what a URL path segment may.
	ID string
	// AllowedNext are the tasks that may follow. A handler chooses among them
	// with Context.Next; all of them follow when it does not.
	AllowedNext []string
	// Timeout bounds an attempt; 5 minutes.
	Timeout time.Duration
	// Retries is how many attempts may follow the first; 3. NoRetries for none.
	Retries int
	// RetryBackoff is "exponential" (default) or "fixed".
	RetryBackoff string
	// RetryDelay is the wait before the second attempt; 1 second.
	RetryDelay time.Duration
	// MaxRetryDelay bounds the growing wait; 24 hours.
	MaxRetryDelay time.Duration
	// HeartbeatInterval is how often a running attempt says that it lives; it
	// is given up after twice that. 60 seconds.
	HeartbeatInterval time.Duration
	// Concurrency bounds how many attempts of this task run at once, everywhere
	// together; 0 is no limit.
	Concurrency int
	// Priority orders what waits, lower first; 100.
	Priority int
	// IdempotencyTTL is how long a result may be reused; 24 hours.
	IdempotencyTTL time.Duration
	// IdempotencyKey makes the attempt ask, before it is executed, whether the
	// work was done before; its result is used then. Nil never asks.
	IdempotencyKey KeyFunc
	// Description is one sentence for people.
	Description string
	// InputSchema describes the input, in the contract's schema language.
	InputSchema json.RawMessage
	// CodeVersion names the version of this task's code. Change it when the
	// result for the same input changes. Empty: every build is a version.
	CodeVersion string
	// CodeHash replaces the hash made from CodeVersion: 16 hex digits.
	CodeHash string
}

// NewSet starts an empty set for a service.
func NewSet(service, version string) *Set {
	s := &Set{service: service, version: version, tasks: map[string]*entry{}, build: sync.OnceValue(buildID)}
	if service == "" {
		s.problems = append(s.problems, errors.New("the service has no name"))
	}
	if version == "" {
		s.version = "0.1.0"
	}
	return s
}

// Service is the name the set is registered under.
func (s *Set) Service() string { return s.service }

// Version is the version of the service.
func (s *Set) Version() string { return s.version }

// Tasks lists the ids in the order they were registered.
func (s *Set) Tasks() []string { return append([]string(nil), s.order...) }

// Register adds a task whose handler takes its input decoded into In. Input
// that does not fit In fails the attempt for good. Mistakes in the description
// are kept for Validate, which every way of running the set calls first.
func Register[In, Out any](s *Set, task Task, handler func(ctx *Context, in In) (Out, error)) {
	s.Add(task, func(ctx *Context) (any, error) {
		var in In
		if err := ctx.Input(&in); err != nil {
			return nil, err
		}
		return handler(ctx, in)
	})
}

// Add registers a task whose handler reads its input itself. See Register.
func (s *Set) Add(task Task, handler Handler) {
	for _, err := range task.check() {
		s.problems = append(s.problems, fmt.Errorf("task %q: %w", task.ID, err))
	}
	if handler == nil {
		s.problems = append(s.problems, fmt.Errorf("task %q has no handler", task.ID))
	}
	if _, taken := s.tasks[task.ID]; taken {
		s.problems = append(s.problems, fmt.Errorf("task %q is registered twice", task.ID))
		return
	}
	s.tasks[task.ID] = &entry{Task: task, handler: handler}
	s.order = append(s.order, task.ID)
}

// Validate reports every mistake in the set.
func (s *Set) Validate() error {
	if len(s.problems) == 0 {
		return nil
	}
	return fmt.Errorf("tasks of service %q: %w", s.service, errors.Join(s.problems...))
}

// taskID is what can stand in a URL path and name a file.
var (
	taskID   = regexp.MustCompile(`^[A-Za-z0-9_~!$&'()*+,;=@-][A-Za-z0-9._~!$&'()*+,;=:@-]{0,199}$`)
	codeHash = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

func (t Task) check() (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !taskID.MatchString(t.ID) {
		bad("an id has 1 to 200 letters, digits, dashes, underscores and dots, and does not start with a dot")
	}
	for _, next := range t.AllowedNext {
		if !taskID.MatchString(next) {
			bad("next task %q is not a task id", next)
		}
	}
	for name, d := range map[string]time.Duration{
		"timeout": t.Timeout, "retry delay": t.RetryDelay, "longest retry delay": t.MaxRetryDelay,
		"heartbeat interval": t.HeartbeatInterval, "idempotency time": t.IdempotencyTTL,
	} {
		if d < 0 {
			bad("the %s is negative", name)
		}
	}
	if t.RetryBackoff != "" && t.RetryBackoff != "fixed" && t.RetryBackoff != "exponential" {
		bad("retry backoff %q is neither fixed nor exponential", t.RetryBackoff)
	}
	if t.Concurrency < 0 {
		bad("the concurrency is negative")
	}
	if t.InputSchema != nil && !json.Valid(t.InputSchema) {
		bad("the input schema is not JSON")
	}
	if t.CodeHash != "" && !codeHash.MatchString(t.CodeHash) {
		bad("code hash %q is not 16 lower-case hex digits", t.CodeHash)
	}
	return problems
}

// Registration is the set as it is announced to a control plane; without a
// base URL for workers that pull.
func (s *Set) Registration(baseURL string) api.RegisterRequest {
	req := api.RegisterRequest{
		ServiceID: s.service, Version: s.version, BaseURL: baseURL, TokenFormat: string(storage.FormatJWE),
		Capabilities: []string{api.CapabilityInlineInput}, Tasks: []api.TaskRegistration{},
	}
	for _, id := range s.order {
		req.Tasks = append(req.Tasks, s.registration(s.tasks[id]))
	}
	return req
}

func (s *Set) registration(e *entry) api.TaskRegistration {
	t := e.Task
	reg := api.TaskRegistration{
		ID: t.ID, CodeHash: s.hash(t), AllowedNext: append([]string{}, t.AllowedNext...),
		Timeout:             number(t.Timeout.Seconds()),
		RetryBackoff:        t.RetryBackoff,
		RetryDelayMs:        number(float64(t.RetryDelay.Milliseconds())),
		MaxRetryDelayMs:     number(float64(t.MaxRetryDelay.Milliseconds())),
		HeartbeatIntervalMs: number(float64(t.HeartbeatInterval.Milliseconds())),
		Concurrency:         number(float64(t.Concurrency)),
		Priority:            number(float64(t.Priority)),
		IdempotencyTTL:      number(t.IdempotencyTTL.Seconds()),
		Description:         t.Description, InputSchema: t.InputSchema,
	}
	switch {
	case t.Retries < 0:
		reg.Retries = new(float64)
	case t.Retries > 0:
		reg.Retries = number(float64(t.Retries))
	}
	return reg
}

// number is nil for the zero that means the default.
func number(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return &v
}

// hash tells versions of a task's code apart.
func (s *Set) hash(t Task) string {
	switch {
	case t.CodeHash != "":
		return t.CodeHash
	case t.CodeVersion != "":
		return HashCode(t.CodeVersion)
	default:
		return HashCode(s.build(), t.ID)
	}
}

// HashCode makes a code hash: 16 hex digits of the SHA-256 over the parts.
func HashCode(parts ...string) string {
	h := sha256.New()
	for i, part := range parts {
		if i > 0 {
			h.Write([]byte{0})
		}
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// buildID tells builds of this program apart by the program file itself: a
// build that changes nothing gives the same file. Without a readable file it
// is empty, and versions then have to be named by hand.
func buildID() string {
	name, err := os.Executable()
	if err != nil {
		return ""
	}
	file, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
