package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"pipedai/api"
	"pipedai/internal/backoff"
	"pipedai/internal/cliutil"
)

// verb is something done to workers.
type verb struct {
	name, short, long string
	done              string // "box is ..." afterwards
	ends              bool   // its end is the end of a process, which may take long
	canNow, canDrain  bool   // it has --now, --drain
}

var (
	verbStart = verb{name: "start", short: "Keep workers running", done: "started",
		long: `Keeps workers running, now and whenever the daemon runs. One that waits to be
started again after a failure is started at once. Starting one that runs does
nothing.`}
	verbStop = verb{name: "stop", short: "Let workers finish their runs, then keep them stopped", done: "stopped", ends: true, canNow: true,
		long: `Lets workers finish the runs they have in hand, up to the stop grace, then keeps
them stopped until they are started again. The answer comes when they have
ended, or after half a minute: the stop goes on by itself. With --wait the
command stays until they have ended; with --now their runs are lost.

Without workers it does nothing: name some, or say --all for all of them, or
--daemon for the daemon with all of them.`}
	verbEnable = verb{name: "enable", short: "Ask the control plane to give workers work", done: "enabled",
		long: `Asks the control plane to give workers work again. Whether they run on this host
is another matter: see start.`}
	verbDisable = verb{name: "disable", short: "Ask the control plane to give workers no more work", done: "disabled", ends: true, canDrain: true,
		long: `Asks the control plane to give workers no more work. They finish what they have
and keep running; see stop. With --drain the command stays until they have
finished.`}
	// verbRestart belongs to the command that restarts the daemon as well.
	verbRestart = verb{name: "restart", short: "Let workers finish their runs, then start them anew", done: "restarted", ends: true, canNow: true,
		long: `Lets workers finish the runs they have in hand, then starts them anew.`}
)

// verbOptions are the flags of a verb.
type verbOptions struct {
	verb    verb
	names   []string
	all     bool
	wait    bool
	now     bool
	drain   bool
	timeout time.Duration
	json    bool
}

// options are how the verb is meant, as the local API takes it.
func (o verbOptions) options() []string {
	var out []string
	if o.now {
		out = append(out, "now")
	}
	if o.drain {
		out = append(out, "drain")
	}
	return out
}

// patient reports whether the command stays until all is over.
func (o verbOptions) patient() bool { return o.wait || o.drain || o.timeout > 0 }

// workerVerbs are the commands that act on workers, but for start, which is a
// command of the daemon as well.
func workerVerbs(d *deps) []*cobra.Command {
	return []*cobra.Command{newStopCmd(d), newVerbCmd(d, verbEnable), newVerbCmd(d, verbDisable), newDeleteCmd(d)}
}

func newVerbCmd(d *deps, v verb) *cobra.Command {
	o := verbOptions{verb: v}
	cmd := &cobra.Command{
		Use: v.name + " [worker...]", Short: v.short, Long: v.long + namesText,
		Example: fmt.Sprintf("  %[1]s %[2]s build-box\n  %[1]s %[2]s --all", program, v.name),
		Args:    cobra.ArbitraryArgs, ValidArgsFunction: d.completeWorkers,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return runVerb(cmd.Context(), d, o)
		},
	}
	o.bind(cmd)
	return cmd
}

const namesText = `

A worker is named by its id, its label, or the beginning of either.`

func (o *verbOptions) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.all, "all", false, "all workers of this host")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	if o.verb.canNow {
		cmd.Flags().BoolVar(&o.now, "now", false, "do not wait for runs in hand: they are lost")
	}
	if o.verb.canDrain {
		cmd.Flags().BoolVar(&o.drain, "drain", false, "stay until they have finished the runs in hand")
	}
	if o.verb.ends {
		cmd.Flags().BoolVar(&o.wait, "wait", false, "stay until it is over")
		cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "wait, but not longer than this; what was asked for goes on")
	}
}

// chosen are the workers that the person means.
func (o verbOptions) chosen(ctx context.Context, d *deps, local reached) ([]api.FusedWorker, error) {
	workers, err := local.Workers(ctx)
	if err != nil {
		return nil, err
	}
	if o.all {
		return workers, nil
	}
	return d.pickAll(workers, o.names)
}

func (o verbOptions) validate() error {
	switch {
	case o.all == (len(o.names) > 0):
		return cliutil.Failf(cliutil.ExitUsage, fmt.Sprintf("usage: %s %s <worker>... | --all", program, o.verb.name), "name workers, or say --all")
	case o.timeout < 0:
		return cliutil.UsageError("--timeout must not be negative")
	}
	return nil
}

// verbResult is what became of one worker, in --json.
type verbResult struct {
	ID       string `json:"id"`
	Label    string `json:"label"`
	Action   string `json:"action"`
	OK       bool   `json:"ok"`
	Draining bool   `json:"draining"` // accepted, and its process still finishes a run
	InFlight int    `json:"inFlight"` // runs it had in hand
	// Operation names what goes on; see the command operations.
	Operation string `json:"operation,omitempty"`
	Error     string `json:"error,omitempty"`
	Code      string `json:"code,omitempty"`

	err error
}

// verbResults is what verbs print with --json.
type verbResults struct {
	Items []verbResult `json:"items"`
}

func runVerb(ctx context.Context, d *deps, o verbOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	workers, err := o.chosen(ctx, d, local)
	if err != nil {
		return err
	}
	return carryOut(ctx, d, local, o, workers)
}

// atOnce bounds how many workers a command acts on at a time.
const atOnce = 16

// carryOut does the verb to each worker and tells of each as it is done. It
// fails with the first failure in the order of the workers, after all of them.
func carryOut(ctx context.Context, d *deps, local reached, o verbOptions, workers []api.FusedWorker) error {
	if len(workers) == 0 {
		d.notef("There are no workers on this host.\n")
		if o.json {
			return cliutil.JSON(d.streams.Out, verbResults{Items: []verbResult{}})
		}
		return nil
	}
	waiting := ctx
	if o.timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	results := make([]verbResult, len(workers))
	progress := newProgress(d, o, workers)
	defer progress.stop()
	var tell sync.Mutex
	var all errgroup.Group
	all.SetLimit(atOnce)
	for i, w := range workers {
		all.Go(func() error {
			r := actOn(waiting, local, o, w)
			progress.done(w.Label)
			tell.Lock()
			defer tell.Unlock()
			results[i] = r
			if !o.json {
				d.tellVerb(o.verb, r, len(workers) > 1)
			}
			return nil
		})
	}
	_ = all.Wait() // each worker's error is in its result
	progress.stop()
	if o.json {
		if err := cliutil.JSON(d.streams.Out, verbResults{Items: results}); err != nil {
			return err
		}
	}
	return d.verbOutcome(ctx, waiting, o, results)
}

// actOn does the verb to one worker.
func actOn(ctx context.Context, local reached, o verbOptions, w api.FusedWorker) verbResult {
	r := verbResult{ID: w.ID, Label: w.Label, Action: o.verb.name}
	var result api.ActionResult
	var err error
	if o.verb.name == verbDelete.name {
		result, err = local.Delete(ctx, w.ID, o.options()...)
	} else {
		result, err = local.Act(ctx, w.ID, o.verb.name, o.options()...)
	}
	r.Draining, r.InFlight, r.Operation = result.Draining, result.InFlight, result.Operation
	switch {
	case err != nil || !o.patient():
	case r.Operation != "":
		err = untilOver(ctx, local, r.Operation)
		if err == nil {
			r.Draining, r.Operation = false, ""
		}
	case r.Draining:
		err = untilEnded(ctx, local, w)
		r.Draining = err != nil
	}
	r.OK = err == nil
	if err != nil {
		r.err, r.Error = err, err.Error()
		var answer *api.Error
		if errors.As(err, &answer) {
			r.Code = answer.Code
		}
	}
	return r
}

// untilOver waits for the end of an operation, and fails as it failed.
func untilOver(ctx context.Context, local reached, id string) error {
	pace := backoff.Policy{Base: 50 * time.Millisecond, Max: time.Second}
	for tries := 1; ; tries++ {
		op, err := local.Operation(ctx, id)
		switch {
		case err != nil:
			return err
		case op.EndedAt.IsZero():
		case op.Error != "":
			return cliutil.Fail(cliutil.ExitFailed, errors.New(op.Error), op.Fix)
		default:
			return nil
		}
		if !pace.Wait(ctx, tries) {
			return ctx.Err()
		}
	}
}

// untilEnded follows the status until the process that the worker had is gone.
func untilEnded(ctx context.Context, local reached, was api.FusedWorker) error {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	ended := false
	err := local.Events(ctx, 0, func(f api.LocalFrame) {
		if f.Kind != "status" || ended {
			return
		}
		ended = true
		for _, w := range f.Items {
			if w.ID == was.ID && pidOf(w) != 0 && pidOf(w) == pidOf(was) {
				ended = false
			}
		}
		if ended {
			enough()
		}
	})
	if ended {
		return nil
	}
	return err
}

// tellVerb says what became of a worker. Of several, failures are told at
// once; a single one's is the error of the command.
func (d *deps) tellVerb(v verb, r verbResult, several bool) {
	label := cliutil.Printable(r.Label)
	switch {
	case r.err == nil && r.Operation != "":
		d.printf("%s is being %s; follow it: %s\n", label, v.done, d.command("operations "+r.Operation))
	case r.err == nil && r.Draining && v.name == verbRestart.name:
		d.printf("%s finishes the run it has in hand and then starts anew.\n", label)
	case r.err == nil && r.Draining:
		d.printf("%s finishes the run it has in hand and then stops.\n", label)
	case r.err == nil:
		d.printf("%s is %s.\n", label, v.done)
	case several && !errors.Is(r.err, context.Canceled) && !errors.Is(r.err, context.DeadlineExceeded):
		d.notef("%s: %v\n", label, r.err)
	}
}

// verbOutcome is how the command ends. An interrupt or the end of patience
// leaves what was asked for going on, and says so.
func (d *deps) verbOutcome(ctx, waiting context.Context, o verbOptions, results []verbResult) error {
	var first error
	failed := 0
	var open []string
	for _, r := range results {
		if r.err == nil {
			continue
		}
		failed++
		if first == nil {
			first = r.err
		}
		open = append(open, cliutil.Printable(r.Label))
	}
	if failed == 0 {
		return nil
	}
	see := "look again: " + d.command("list")
	goesOn := fmt.Errorf("what was asked for goes on without this command: %s of %s", o.verb.name, strings.Join(open, ", "))
	switch {
	case ctx.Err() != nil:
		return cliutil.Fail(cliutil.ExitInterrupted, fmt.Errorf("interrupted; %w", goesOn), see)
	case waiting.Err() != nil:
		return cliutil.Fail(cliutil.ExitTimeout, fmt.Errorf("not over in time; %w", goesOn), see)
	case len(results) == 1:
		return first
	}
	code, _, fix := cliutil.Explain(first)
	if fix == "" {
		fix = see
	}
	return cliutil.Failf(code, fix, "%d of %d workers could not be %s", failed, len(results), o.verb.done)
}
