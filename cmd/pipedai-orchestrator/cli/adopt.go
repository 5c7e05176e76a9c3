package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/adoption"
	"pipedai/internal/cliutil"
	"pipedai/manifest"
)

type adoptOptions struct {
	dir      string
	pids     []int
	takeOver bool
	disabled bool
	undo     bool
	all      bool
	worker   string
	grace    time.Duration
	dryRun   bool
	yes      bool
	json     bool
}

func newAdoptCmd(d *deps) *cobra.Command {
	var o adoptOptions
	cmd := &cobra.Command{
		Use: "adopt [--undo [worker]]", Short: "Manage workers that were set up by hand",
		Long: `Takes the workers of worker.json and worker.NAME.json files into the manifest: the
daemon runs them from then on. The files stay where they are; nothing is
registered anew.

A worker that runs already, or that a systemd or launchd unit would start, is left
alone and named, with its process and its unit. With --take-over its unit is
disabled and stopped, or its process asked to end; it finishes the run it has in
hand; and only when it is gone does the daemon run it. If anything fails on the
way, things are put back as they were, and you are told. If this command is cut
off, run it again: it goes on.

--undo gives a worker back: the daemon stops it, then the unit that ran it before
does so again.`,
		Example: `  pipedai-orchestrator adopt --dry-run
  pipedai-orchestrator adopt
  pipedai-orchestrator adopt --take-over
  pipedai-orchestrator adopt --undo build-box`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && !o.undo {
				return cliutil.UsageError("adopt takes no worker, and adopt --undo takes one; name a folder with --dir")
			}
			return nil
		},
		ValidArgsFunction: d.completeWorker,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.worker = args[0]
			}
			if o.undo {
				return runUndoAdopt(cmd.Context(), d, o)
			}
			return runAdopt(cmd.Context(), d, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "folder with the files (default: the host's, ~/.pipedai)")
	f.IntSliceVar(&o.pids, "pid", nil, "adopt the worker that this process runs, wherever its file is")
	f.BoolVar(&o.takeOver, "take-over", false, "also those that something else runs: stop and disable that first")
	f.BoolVar(&o.disabled, "disabled", false, "do not run them")
	f.BoolVar(&o.undo, "undo", false, "give an adopted worker back to what ran it before")
	f.BoolVar(&o.all, "all", false, "with --undo: every adopted worker")
	f.DurationVar(&o.grace, "grace", 5*time.Minute, "how long a worker may take to finish the run it has in hand")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would happen, and do nothing")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask before something is stopped")
	f.BoolVar(&o.json, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("dir", "pid")
	for _, other := range []string{"take-over", "disabled", "dir", "pid"} {
		cmd.MarkFlagsMutuallyExclusive("undo", other)
	}
	return cmd
}

// adoptReport is what adopt --json prints. Members are added, never renamed.
type adoptReport struct {
	Dir     string          `json:"dir,omitempty"`
	DryRun  bool            `json:"dryRun,omitempty"`
	Items   []api.AdoptItem `json:"items"`
	Adopted int             `json:"adopted"` // of them, those that were taken over included
	Skipped int             `json:"skipped"`
	Failed  int             `json:"failed"`
}

func runAdopt(ctx context.Context, d *deps, o adoptOptions) error {
	if o.grace <= 0 || o.all {
		return cliutil.UsageError("--grace must be more than 0, and --all goes with --undo")
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	report := adoptReport{Dir: o.dir, DryRun: o.dryRun}
	var paths []string
	if len(o.pids) == 0 {
		report.Dir = cmp.Or(o.dir, dir.Home())
		if paths, err = adoption.Files(report.Dir); err != nil {
			return cliutil.Fail(cliutil.ExitFailed, err, "name the folder that has the files with --dir")
		}
	}
	a, done, err := d.adopter(ctx, o)
	if err != nil {
		return err
	}
	defer done()
	for _, pid := range o.pids {
		path, err := a.FileOf(pid)
		if err != nil {
			return cliutil.Fail(cliutil.ExitFailed, err, "list what can be adopted: "+d.command("adopt --dry-run"))
		}
		paths = append(paths, path)
	}
	if o.dryRun {
		if report.Items, err = a.Survey(ctx, paths); err != nil {
			return d.explainHome(err)
		}
		return d.tellAdopt(report, o)
	}
	if o.takeOver && !o.yes {
		if err := d.confirmTakeOver(ctx, a, paths, o); err != nil {
			return err
		}
	}
	report.Items, err = a.Adopt(ctx, adoption.Request{Paths: paths, TakeOver: o.takeOver, Disabled: o.disabled})
	if err != nil && len(report.Items) == 0 {
		return d.explainAdopt(ctx, err)
	}
	if told := d.tellAdopt(report, o); err == nil {
		return told
	}
	return d.explainAdopt(ctx, err)
}

// adopter makes what does the work. It works on the manifest itself, with the
// rights of whoever typed the command, and tells the daemon.
func (d *deps) adopter(ctx context.Context, o adoptOptions) (_ *adoption.Adopter, done func(), err error) {
	dir, err := d.dir()
	if err != nil {
		return nil, nil, err
	}
	opts := adoption.Options{
		Lock: dir.AdoptLock(), Grace: o.grace, Command: daemon.AdoptCommand(dir, d.command),
		Tell: func(text string) { d.notef("adopt: %s.\n", text) },
	}
	local, err := d.daemon(ctx)
	switch {
	case err == nil:
		opts.DaemonPID = local.info.PID
		opts.Reload = func(ctx context.Context) error { return reload(ctx, local, api.ReloadRequest{}) }
		opts.CanRun = func(ctx context.Context) error {
			self, err := local.Self(ctx)
			if at := slices.IndexFunc(self.Health, func(i api.HealthItem) bool { return i.Code == "worker_program_missing" }); err == nil && at >= 0 {
				return errors.New(self.Health[at].Message)
			}
			return err
		}
	case !errors.Is(err, daemon.ErrNoInfo):
		return nil, nil, err
	}
	if _, err := os.Stat(dir.Manifest()); o.dryRun && errors.Is(err, fs.ErrNotExist) {
		return adoption.New(opts), func() {}, nil // looking creates nothing
	}
	if !o.dryRun {
		if err := dir.Make(); err != nil {
			return nil, nil, d.explainHome(err)
		}
	}
	if opts.Manifest, err = manifest.Open(ctx, dir.Manifest()); err != nil {
		return nil, nil, d.explainHome(err)
	}
	return adoption.New(opts), func() { _ = opts.Manifest.Close() }, nil
}

// confirmTakeOver asks before anything is stopped. Where nobody can answer
// nothing is.
func (d *deps) confirmTakeOver(ctx context.Context, a *adoption.Adopter, paths []string, o adoptOptions) error {
	items, err := a.Survey(ctx, paths)
	if err != nil {
		return d.explainHome(err)
	}
	var lines []string
	for _, item := range items {
		if item.Status == api.AdoptRunning {
			lines = append(lines, fmt.Sprintf("%s: %s", cliutil.Printable(item.Label), cliutil.Printable(item.Reason)))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	if !d.streams.InTTY || o.json {
		return cliutil.Failf(cliutil.ExitUsage, "see what would happen: "+d.command("adopt --take-over --dry-run"), "a take-over stops what runs the workers now: say --yes")
	}
	d.notef("%s\nThat is stopped and disabled, once the runs in hand have ended; then the daemon runs them.\n", strings.Join(lines, "\n"))
	answer, err := d.ask(ctx, "Type yes to go on: ")
	if err != nil {
		return err
	}
	if !strings.EqualFold(answer, "yes") {
		return cliutil.Failf(cliutil.ExitFailed, "", "nothing was changed")
	}
	return nil
}

// tellAdopt says what became of each file, or would.
func (d *deps) tellAdopt(report adoptReport, o adoptOptions) error {
	if report.Items == nil {
		report.Items = []api.AdoptItem{}
	}
	unfinished := 0
	for _, item := range report.Items {
		switch item.Status {
		case api.AdoptAdopted, api.AdoptTakenOver:
			report.Adopted++
		case api.AdoptFailed:
			report.Failed++
		case api.AdoptUnfinished:
			unfinished++
		case api.AdoptRunning:
			if o.takeOver && !o.dryRun {
				report.Failed++
			} else {
				report.Skipped++
			}
		default:
			report.Skipped++
		}
	}
	if o.json {
		if err := cliutil.JSON(d.streams.Out, report); err != nil {
			return err
		}
	} else {
		d.printAdopt(report, o)
	}
	switch {
	case o.dryRun:
		return nil
	case unfinished > 0:
		return cliutil.Failf(cliutil.ExitTimeout, "run the command again; it goes on", "%d not over yet", unfinished)
	case report.Failed > 0:
		return cliutil.Failf(cliutil.ExitFailed, "what is in the way is told beside each", "%d could not be adopted", report.Failed)
	}
	return nil
}

func (d *deps) printAdopt(report adoptReport, o adoptOptions) {
	for _, item := range report.Items {
		d.printf("%s\n", cliutil.Printable(adoptLine(item, o)))
		for _, w := range item.Warnings {
			d.notef("  warning: %s\n", cliutil.Printable(w))
		}
		if item.Fix != "" && (item.Status == api.AdoptRunning || item.Status == api.AdoptUnfinished) {
			d.printf("  %s\n", cliutil.Printable(item.Fix))
		}
	}
	switch {
	case len(report.Items) == 0:
		d.printf("No worker.json or worker.NAME.json in %s.\n", report.Dir)
	case o.dryRun:
		d.printf("Nothing was done.\n")
	default:
		d.printf("%d adopted, %d skipped, %d failed.\n", report.Adopted, report.Skipped, report.Failed)
	}
	if report.Adopted > 0 {
		d.printf("See them: %s\n", d.command("list"))
	}
}

// adoptLine is one file in a sentence.
func adoptLine(item api.AdoptItem, o adoptOptions) string {
	name := item.Label + " (" + item.Path + ")"
	switch item.Status {
	case api.AdoptAdopted:
		return "adopted " + name
	case api.AdoptTakenOver:
		return "taken over " + name
	case api.AdoptUndone:
		return "given back " + name
	case api.AdoptAdoptable:
		return "would adopt " + name
	case api.AdoptRunning:
		if o.takeOver && o.dryRun {
			return "would take over " + name + ": " + item.Reason
		}
		return "skipped " + name + ": " + item.Reason
	case api.AdoptFailed:
		return "failed " + name + ": " + item.Reason
	case api.AdoptUnfinished:
		return "unfinished " + name + ": " + item.Reason
	default:
		return "skipped " + name + ": " + item.Reason
	}
}

func (d *deps) explainAdopt(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, adoption.ErrBusy):
		return cliutil.Fail(cliutil.ExitConflict, err, "try again when that is over")
	case errors.Is(err, adoption.ErrNoDaemon):
		return cliutil.Fail(cliutil.ExitNotRunning, err, "start it first: "+d.command("start"))
	case ctx.Err() != nil:
		return cliutil.Fail(cliutil.ExitInterrupted, errors.New("interrupted"),
			"what was begun goes on with the same command, or back with: "+d.command("adopt --undo"))
	}
	return d.explainHome(err)
}
