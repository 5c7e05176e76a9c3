package daemon

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"pipedai/daemon/launch"
	"pipedai/internal/bounded"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

const (
	// letGoLimit is how long a version that is well may take to let go of
	// everything again, endLimit how long one that is not.
	letGoLimit = 15 * time.Second
	endLimit   = time.Second
	// lastWords is how much is kept of what it writes to its standard error.
	lastWords = 4 << 10
)

// Rehearsal is a version that is to be tried before it becomes the daemon.
type Rehearsal struct {
	Operation string
	Candidate launch.Version
	Order     launch.Order
	Limit     time.Duration // for all of it
}

// Stage is where, and with what, a rehearsal takes place.
type Stage struct {
	Dir hostdir.Dir
	// Args is the command line of the daemon, without the program.
	Args []string
	// Origin is the installed program.
	Origin launch.Origin
	Log    *slog.Logger
}

// ErrCutShort says that a rehearsal ended because the daemon is to end. It says
// nothing about the version.
var ErrCutShort = errors.New("the rehearsal was cut short")

// Rehearse tries a version while no daemon runs: the one that was has let go of
// everything, and its workers run on. The version is started as a child, has to
// do all that a daemon does until it would look after the workers, says that it
// is well, and lets go again. Then it is the confirmed one, and nil is returned:
// the caller becomes it. Otherwise the error says what was wrong, the version is
// noted as one that does not do here, and everything is as it was.
//
// When ctx ends it gives up with ErrCutShort and decides nothing.
func (s Stage) Rehearse(ctx context.Context, r Rehearsal) error {
	s.Log.Info("trying the new version", "version", r.Candidate.Version, "program", r.Candidate.Program, "limit", r.Limit)
	failed := s.perform(ctx, r)
	if errors.Is(failed, ErrCutShort) {
		return failed
	}
	release, err := Hold(context.WithoutCancel(ctx), s.Dir)
	if err != nil {
		return errors.Join(failed, err)
	}
	defer release()
	if info, err := ReadInfo(s.Dir); err == nil && info.PID != os.Getpid() {
		_ = os.Remove(s.Dir.DaemonInfo()) // of a child that could not do so any more
	}
	if failed == nil {
		// From here on this version is the daemon, whatever becomes of us.
		failed = launch.Change(s.Dir, func(st *launch.State) {
			st.Confirm(r.Candidate, s.Origin)
			st.Starts, st.Boot = 1, launch.BootID()
			if st.Trial != nil {
				st.Trial.Outcome = launch.Passed
			}
		})
		if failed == nil {
			return nil
		}
	}
	s.Log.Error("the new version does not do; going on with this one", "version", r.Candidate.Version, "error", failed)
	return errors.Join(failed, s.fail(context.WithoutCancel(ctx), r.Candidate, failed))
}

// Refuse notes that a version which passed could not be become after all. No
// daemon may run.
func (s Stage) Refuse(ctx context.Context, v launch.Version, why error) error {
	release, err := Hold(ctx, s.Dir)
	if err != nil {
		return err
	}
	defer release()
	return s.fail(ctx, v, why)
}

// fail notes it, and puts the manifest back when the version has brought it to
// where this program cannot follow. Nothing else happened in it since: a version
// that is tried starts no worker.
func (s Stage) fail(ctx context.Context, v launch.Version, why error) error {
	err := launch.Change(s.Dir, func(st *launch.State) {
		if st.Runs(v) {
			st.Return()
		}
		st.Fail(v, why.Error())
		if st.Trial != nil {
			st.Trial.Outcome, st.Trial.Reason = launch.Failed, why.Error()
		}
	})
	schema, peek := manifest.Peek(ctx, s.Dir.Manifest())
	if peek != nil || schema.Serves(manifest.Known().Version) {
		return errors.Join(err, peek)
	}
	all, list := manifest.Backups(s.Dir.Manifest())
	for _, b := range all {
		if b.Schema <= manifest.Known().Version {
			replaced, restore := manifest.Restore(ctx, s.Dir.Manifest(), b.Path)
			s.Log.Warn("the manifest was put back to what it was before the new version changed it", "from", b.Path, "replaced", replaced, "error", restore)
			return errors.Join(err, restore)
		}
	}
	return errors.Join(err, list)
}

// perform runs the child and judges it.
func (s Stage) perform(ctx context.Context, r Rehearsal) error {
	if err := launch.Intact(r.Candidate); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	c, err := s.start(r)
	if err != nil {
		return fmt.Errorf("it cannot be started: %w", err)
	}
	defer c.kill() // and all it started, if it still is there
	judged := c.judge(limit, r)
	c.letGo()
	patience := letGoLimit
	if judged != nil {
		patience = endLimit
	}
	ending := time.NewTimer(patience)
	defer ending.Stop()
	select {
	case <-c.ended:
	case <-ending.C:
		c.kill()
		<-c.ended
		if judged == nil {
			judged = fmt.Errorf("it did not let go within %s", letGoLimit)
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrCutShort, context.Cause(ctx))
	case errors.Is(judged, errSilent): // its end says more
		return c.explain()
	case judged == nil && c.err != nil:
		return fmt.Errorf("it was well, and then did not end in order: %w", c.explain())
	}
	return judged
}

// rehearsed is the child.
type rehearsed struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	words chan launch.Word
	said  *lastSaid
	ended chan struct{}
	err   error // valid after ended
	once  sync.Once
}

// start starts the child.
func (s Stage) start(r Rehearsal) (*rehearsed, error) {
	order, err := json.Marshal(r.Order)
	if err != nil {
		return nil, fmt.Errorf("encode what it has to do: %w", err)
	}
	//nolint:noctx // the program is the one whose digest was checked; it is ended by its input, then killed
	cmd := exec.Command(r.Candidate.Program, s.Args...)
	cmd.Env = append(os.Environ(), launch.TrialEnv+"=1", s.Origin.Env())
	c := &rehearsed{cmd: cmd, words: make(chan launch.Word), said: &lastSaid{log: s.Log, end: bounded.Tail{Limit: lastWords}}, ended: make(chan struct{})}
	cmd.Stderr = c.said
	cmd.WaitDelay = time.Second // what it started may hold its output open
	inTrial(cmd)
	if c.input, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	output, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = theirs
	err = startTied(cmd, func(err error) {
		c.err = err
		// What it left behind may hold its output open; nothing more comes of it.
		_ = output.SetReadDeadline(time.Now().Add(cmd.WaitDelay))
		close(c.ended)
	})
	_ = theirs.Close()
	if err != nil {
		return nil, errors.Join(err, output.Close())
	}
	go c.listen(output)
	// One that does not read ends, or is killed: either ends this write.
	go func() { _, _ = c.input.Write(append(order, '\n')) }()
	return c, nil
}

// listen reads what the child says until it says nothing more.
func (c *rehearsed) listen(output io.ReadCloser) {
	defer func() { _ = output.Close() }()
	defer close(c.words)
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var w launch.Word
		if json.Unmarshal(lines.Bytes(), &w) == nil && w.Stage != "" {
			c.words <- w
		}
	}
	_, _ = io.Copy(io.Discard, output) // after a line that is too long
}

// errSilent says that the child ended without a word.
var errSilent = errors.New("it ended")

// judge hears the child until it is well, or cannot be.
func (c *rehearsed) judge(ctx context.Context, r Rehearsal) error {
	var last launch.Word
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s it %s", r.Limit, stuck(last))
		case w, more := <-c.words:
			switch {
			case !more:
				return errSilent
			case w.Stage == launch.StageFailed:
				return errors.New(w.Error)
			case w.Version != "" && w.Version != r.Candidate.Version:
				return fmt.Errorf("it calls itself version %q instead of %s", w.Version, r.Candidate.Version)
			case w.Stage == launch.StageHealthy:
				return nil
			}
			last = w
		}
	}
}

// stuck words where a child hangs.
func stuck(last launch.Word) string {
	switch last.Stage {
	case "":
		return "has not even taken the lock and the port"
	case launch.StageLocked:
		return "has not opened the manifest"
	case launch.StageManifest:
		return "has not taken up the workers"
	case launch.StageWaiting:
		return "still waits: " + strings.ReplaceAll(last.Error, "\n", "; ")
	default:
		return "has not found itself well"
	}
}

// explain words how the child ended, with the last thing it said.
func (c *rehearsed) explain() error {
	how := "it ended"
	if c.err != nil {
		how = "it ended with " + c.err.Error()
	}
	if words := c.said.last(); words != "" {
		how += ": " + words
	}
	return errors.New(how)
}

// letGo ends the child's input, which asks it to let go.
func (c *rehearsed) letGo() {
	c.once.Do(func() {
		_ = c.input.Close()
		go func() { // nobody hears it any more, and it must not wait for that
			for range c.words {
			}
		}()
	})
}

func (c *rehearsed) kill() {
	select {
	case <-c.ended:
	default:
		killTrial(c.cmd.Process)
	}
}

// lastSaid keeps the end of what is written to it, and logs each line.
type lastSaid struct {
	log *slog.Logger
	end bounded.Tail
}

func (t *lastSaid) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		t.log.Debug("the new version says", "line", string(bytes.TrimSpace(line)))
	}
	return t.end.Write(p)
}

// last is the last line that is not a note of a log, else the last one.
func (t *lastSaid) last() string {
	any, plain := "", ""
	for line := range strings.Lines(t.end.String()) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		any = line
		if !strings.HasPrefix(line, "time=") {
			plain = line
		}
	}
	return cmp.Or(plain, any)
}
