package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pipedai/internal/hostdir"
	"pipedai/internal/workerlog"
	"pipedai/manifest"
)

// DefaultStopGrace is how long a worker may take to stop when its Spec does
// not say. Long: what it has in hand is somebody's work.
const DefaultStopGrace = 5 * time.Minute

// Errors callers branch on.
var (
	ErrUnknown = errors.New("no such worker is supervised")
	ErrEnded   = errors.New("the supervisor has ended")
	ErrSpec    = errors.New("invalid worker spec")
)

// Spec is how a worker process is made. Changing it takes effect at the next
// start of the process; a running one is left alone.
type Spec struct {
	ID      string // hostdir.ValidID
	Program string // looked for at each start, see Options.Find
	Args    []string
	Config  string // a file that Args name; it is not started with one that is not a plain file of ours; "" is none
	// Env is added to the daemon's environment and wins over it, a later entry
	// over an earlier one; a name without "=" takes the variable out.
	Env []string
	Dir string // "" is the daemon's
	// StopGrace is the time between asking the leader to end and killing its
	// group; DefaultStopGrace when zero.
	StopGrace time.Duration
	Policy    Policy
	Limits    Limits // what cannot be kept is told in Status.Unlimited
}

func (s Spec) validate() error {
	if err := hostdir.ValidID(s.ID); err != nil {
		return fmt.Errorf("%w: id: %w", ErrSpec, err)
	}
	if s.Program == "" {
		return fmt.Errorf("%w %s: no program", ErrSpec, s.ID)
	}
	return nil
}

func (s Spec) grace() time.Duration {
	if s.StopGrace <= 0 {
		return DefaultStopGrace
	}
	return s.StopGrace
}

// hash identifies what is run; values of the environment do not show in it.
func (s Spec) hash() string {
	data, err := json.Marshal(s)
	if err != nil {
		return "" // cannot happen: only plain values
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Want is one line of what Reconcile is asked for.
type Want struct {
	Spec    Spec
	Running bool
}

// Exit is how a process ended. Code and Signal both nil: it could not be
// started, or it was not our child and the kernel does not tell; How says
// which.
type Exit = manifest.Exit

// Status is what is known about one worker, as of the call.
type Status struct {
	ID    string
	State State
	PID   int // 0 when there is no process

	StartedAt   time.Time // zero when there is no process
	NextStartAt time.Time // zero unless backing off

	Restarts      int // since the last stable run, start or stop
	TotalRestarts int // never lowered
	LastExit      *Exit
	LastError     string // why it could not be started, or not recorded
	RestartReason string // what the restart policy said last

	Unlimited string // which limits of the Spec are not kept, and why

	Draining   bool // asked to stop, still working
	Reattached bool // the process outlived an earlier daemon

	LogBytes   int64 // of captured output on disk, once something was captured
	LogDropped int64 // lines that could not be written, since this daemon began
}

// Line is one captured line of output.
type Line = workerlog.Line

// Records is where processes are recorded; *manifest.Manifest keeps it.
type Records interface {
	Processes(ctx context.Context) ([]manifest.Process, error)
	Process(ctx context.Context, id string) (manifest.Process, error)
	PutProcess(ctx context.Context, p manifest.Process) error
	ReplaceProcess(ctx context.Context, p manifest.Process) error
	ClearProcess(ctx context.Context, id string, generation int64, exit manifest.Exit) error
	AskedProcess(ctx context.Context, id string, generation int64, at time.Time) error
	DropProcess(ctx context.Context, id string) error
}

var _ Records = (*manifest.Manifest)(nil)
