package adoption

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/gofrs/flock"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// canAsk reports whether a process can be asked to end.
const canAsk = runtime.GOOS != "windows"

// Options of an Adopter.
type Options struct {
	// Manifest is the host's; nil when there is none yet, for a Survey.
	Manifest *manifest.Manifest
	// Lock is the path of the lock that one adopter holds at a time.
	Lock string
	// DaemonPID is the daemon's process; 0 when none runs.
	DaemonPID int
	// Reload has the daemon take up the manifest and returns when it has begun
	// to act on it; nil when none runs. A take-over needs it.
	Reload func(ctx context.Context) error
	// CanRun says why the daemon could not run a worker; nil is not asked.
	CanRun func(ctx context.Context) error
	// Command words a command line of ours for people, with what says that it is
	// about files of another folder than usual.
	Command func(args, folder string) string
	// Tell is told what is waited for; may be nil.
	Tell func(text string)

	// Grace is how long a worker may take to finish the run it has in hand; 0
	// means five minutes. Longer runs are not lost: see ErrDraining.
	Grace time.Duration
	// Settle is how long nothing may run the worker before the daemon does, and
	// Watch how long after that it is looked whether something else does; 0
	// means two and three seconds. Start bounds how long the daemon may take.
	Settle, Watch, Start time.Duration

	Places *Places // nil: those of this machine
	Run    Runner  // nil runs programs
	// Reached is told where an adoption is; tests die there. May be nil.
	Reached func(point string)
}

// Adopter takes workers into one manifest.
type Adopter struct {
	o        Options
	managers []manager
}

// New makes one. It looks at nothing.
func New(o Options) *Adopter {
	for value, usual := range map[*time.Duration]time.Duration{
		&o.Grace: 5 * time.Minute, &o.Settle: 2 * time.Second, &o.Watch: 3 * time.Second, &o.Start: 15 * time.Second,
	} {
		if *value <= 0 {
			*value = usual
		}
	}
	if o.Run == nil {
		o.Run = runProgram
	}
	if o.Places == nil {
		p := usualPlaces()
		o.Places = &p
	}
	if o.Reached == nil {
		o.Reached = func(string) {}
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	return &Adopter{o: o, managers: managers(*o.Places, o.Run)}
}

// Errors callers branch on.
var (
	ErrBusy     = errors.New("somebody else is adopting workers on this host")
	ErrNoDaemon = errors.New("the daemon is not running, so nobody would look after the worker")
	// ErrDraining says that what ran the worker was asked to end, and still
	// finishes a run. Nothing else runs it meanwhile.
	ErrDraining = errors.New("it still finishes the run it has in hand; nothing else runs it meanwhile")
	// ErrCameBack says that something starts the worker again and again.
	ErrCameBack = errors.New("something else starts it again")
)

// Request says what to adopt, and how.
type Request struct {
	Paths    []string
	TakeOver bool
	Disabled bool // do not run it
}

// state is what was found before anything was changed, in the journal.
type state struct {
	Units     []unitState    `json:"units,omitempty"`
	Processes []processState `json:"processes,omitempty"`
	Run       bool           `json:"run"`            // the daemon is to run it
	Mode      os.FileMode    `json:"mode,omitempty"` // of the file, when it was tightened
	Sum       string         `json:"sum"`            // of the file's content
}

type unitState struct {
	Manager string `json:"manager"`
	Name    string `json:"name"`
	File    string `json:"file,omitempty"`
	Active  bool   `json:"active,omitempty"`
	Enabled bool   `json:"enabled,omitempty"`
	Lasting bool   `json:"lasting,omitempty"` // see unit.permanent
}

type processState struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

func (s state) encode() json.RawMessage {
	data, err := json.Marshal(s)
	if err != nil {
		return nil // cannot happen: only plain values
	}
	return data
}

// lock takes the right to adopt. The kernel gives it back when the process
// ends, however it ends.
func (a *Adopter) lock() (release func(), err error) {
	if err := hostdir.Plain(a.o.Lock); err != nil {
		return nil, fmt.Errorf("adopt: %w", err)
	}
	l := flock.New(a.o.Lock, flock.SetPermissions(0o600))
	got, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("adopt: %w", err)
	}
	if !got {
		return nil, ErrBusy
	}
	return func() { _ = l.Unlock() }, nil
}

// Adopt takes the workers of files into the manifest, one after the other, and
// tells what became of each; one that fails does not keep others from being
// adopted. What an earlier take-over left is gone on with first. An error means
// that it could not be gone on at all.
func (a *Adopter) Adopt(ctx context.Context, req Request) ([]api.AdoptItem, error) {
	release, err := a.lock()
	if err != nil {
		return nil, err
	}
	defer release()
	found, err := a.survey(ctx, req.Paths)
	if err != nil {
		return nil, err
	}
	items := make([]api.AdoptItem, 0, len(found))
	added := false
	for i := range found {
		f := &found[i]
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case f.item.Status == api.AdoptUnfinished && req.TakeOver:
			err = a.resume(ctx, f)
		case f.item.Status == api.AdoptRunning && req.TakeOver:
			err = a.takeOver(ctx, f, !req.Disabled)
		case f.item.Status == api.AdoptAdoptable:
			err = a.file(ctx, f, !req.Disabled)
			added = added || f.item.Status == api.AdoptAdopted
		}
		if err != nil {
			return append(items, f.item), err
		}
		items = append(items, f.item)
	}
	if added && a.o.Reload != nil {
		err = a.o.Reload(ctx)
	}
	return items, err
}

// file adopts a worker that nothing runs.
func (a *Adopter) file(ctx context.Context, f *finding, run bool) error {
	st := a.before(f, run)
	f.entry.Running, f.entry.Enabled = run, run // as the old manifest had it: one word for both
	rec := manifest.Adoption{Status: manifest.AdoptionDone, State: st.encode()}
	if _, err := a.o.Manifest.BeginAdoption(ctx, f.entry, rec); err != nil {
		return a.notFiled(f, err)
	}
	f.verdict(api.AdoptAdopted, "")
	return nil
}

// notFiled tells an entry that cannot be added from a manifest that cannot be
// written.
func (a *Adopter) notFiled(f *finding, err error) error {
	switch {
	case errors.Is(err, manifest.ErrDuplicate):
		f.verdict(api.AdoptManaged, "already managed")
	case errors.Is(err, manifest.ErrInvalid):
		f.verdict(api.AdoptFailed, "%s", err)
	default:
		return err
	}
	return nil
}

// before notes how everything is, and keeps others from reading the file: it
// holds a token.
func (a *Adopter) before(f *finding, run bool) state {
	st := state{Run: run, Sum: f.sum}
	for _, u := range f.units {
		st.Units = append(st.Units, unitState{
			Manager: u.manager.kind(), Name: u.name, File: u.file, Active: u.active, Enabled: u.enabled, Lasting: u.permanent,
		})
	}
	for _, p := range f.others {
		if _, belongs := owner(p, f.units); !belongs {
			st.Processes = append(st.Processes, processState{PID: p.pid, Command: p.command()})
		}
	}
	if f.lax {
		if err := os.Chmod(f.path, 0o600); err == nil {
			st.Mode = f.info.Mode().Perm()
			f.item.Warnings = []string{"others could read it; its mode is 600 now"}
		}
	}
	return st
}

// pause waits a moment between two looks.
func pause(ctx context.Context) error {
	if !backoff.Sleep(ctx, scanPace) {
		return context.Cause(ctx)
	}
	return nil
}
