package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"pipedai/daemon"
	"pipedai/daemon/launch"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// launchPinned becomes the version of the daemon that an upgrade confirmed, if
// there is one; see package launch. It returns false when this program is to be
// the daemon itself, and otherwise only what the other one ended with.
func (d *deps) launchPinned(ctx context.Context, dir hostdir.Dir) (became bool, err error) {
	if st, err := launch.Read(dir); err != nil {
		d.notef("%v; this program runs itself, version %s\n", err, buildinfo.Version())
		return false, nil
	} else if st.Pin == nil {
		return false, nil
	}
	release, err := daemon.Hold(ctx, dir)
	if err != nil {
		return false, nil //nolint:nilerr // whoever starts the daemon next hears of it in full
	}
	own, err := ownProgram()
	if err != nil {
		release()
		return false, err
	}
	choice, err := choose(ctx, dir)
	release()
	if err != nil {
		d.notef("%v; this program runs itself, version %s\n", err, buildinfo.Version())
		return false, nil
	}
	if choice.Warning != "" {
		d.notef("%s\n", cliutil.Printable(choice.Warning))
	}
	if choice.Version == nil {
		return false, nil
	}
	code, err := d.become(ctx, choice.Version.Program, d.args, launch.Origin{Program: own, Version: buildinfo.Version()}.Env())
	switch {
	case err != nil:
		d.notef("version %s cannot be started: %v; this program runs itself, version %s\n", choice.Version.Version, err, buildinfo.Version())
		return false, nil
	case code == cliutil.ExitRestart && d.streams.Getenv(serviceEnv) == "" && ctx.Err() == nil:
		return d.launchPinned(ctx, dir) // there is nobody else to start it again
	}
	return true, cliutil.Silent(code)
}

// choose decides what runs and writes that down. The lock is held.
func choose(ctx context.Context, dir hostdir.Dir) (choice launch.Choice, err error) {
	in := launch.Installed{
		Version: buildinfo.Version(), Schema: manifest.Known().Version, Boot: launch.BootID(),
		Least: func() (int64, error) {
			s, err := manifest.Peek(ctx, dir.Manifest())
			return cmp.Or(s.Least, s.Version), err
		},
	}
	err = launch.Change(dir, func(s *launch.State) { choice = launch.Choose(s, in, launch.Intact) })
	return choice, err
}

// origin is the installed program, and whether this one stands in for it.
func (d *deps) origin() (launch.Origin, error) {
	if d.standsFor.Program != "" {
		return d.standsFor, nil
	}
	own, err := ownProgram()
	return launch.Origin{Program: own, Version: buildinfo.Version()}, err
}

// installedProgram is what a service manager and people start.
func (d *deps) installedProgram() (string, error) {
	o, err := d.origin()
	return o.Program, err
}

// serve runs the daemon until it is over. One that left for a version that does
// not do goes on.
func (d *deps) serve(ctx context.Context, o daemon.Options, notify []string, explain func(error) error) error {
	for {
		err := runOrStop(ctx, o)
		var left *daemon.LeftError
		if !errors.As(err, &left) {
			return explain(err)
		}
		switch {
		case left.Rehearsal != nil:
			o.Port = left.Port
			stage := daemon.Stage{Dir: o.Dir, Args: d.again(left.Port), Log: o.Log}
			if stage.Origin, err = d.origin(); err != nil {
				return err
			}
			if err := stage.Rehearse(ctx, *left.Rehearsal); err != nil {
				if !errors.Is(err, daemon.ErrCutShort) {
					d.notef("Version %s does not do: %s\n", left.Rehearsal.Candidate.Version, cliutil.Printable(err.Error()))
				}
				continue // this one goes on; the journal has it all
			}
			d.printf("Upgrading to version %s\n", left.Rehearsal.Candidate.Version)
			env := notify
			if left.Rehearsal.Candidate.Program != stage.Origin.Program {
				env = append(env, stage.Origin.Env())
			}
			code, err := d.become(ctx, left.Rehearsal.Candidate.Program, stage.Args, env...)
			if err == nil {
				return cliutil.Silent(code)
			}
			o.Log.Error("become the new version", "error", err)
			if err := stage.Refuse(ctx, left.Rehearsal.Candidate, fmt.Errorf("this process could not become it: %w", err)); err != nil {
				return err
			}
		case left.Become && becomes:
			d.printf("Restarting: %s\n", cliutil.Printable(left.Reason))
			installed, err := d.installedProgram()
			if err != nil {
				return err
			}
			code, err := d.become(ctx, installed, d.again(left.Port), notify...)
			return startedAnew(d, code, err)
		default:
			return leave(d, left, o.ServiceManager)
		}
	}
}

// runOrStop runs the daemon. When it is to stop already it runs just to do so:
// its workers were left to it and have to be let finish.
func runOrStop(ctx context.Context, o daemon.Options) error {
	if ctx.Err() == nil {
		return daemon.Run(ctx, o)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ready := o.Ready
	o.Ready = func() {
		ready()
		stop()
	}
	return daemon.Run(ctx, o)
}

// again is the command line of a daemon that takes this one's place: the page
// that somebody has open finds it where this one was.
func (d *deps) again(port int) []string {
	there := []string{"--port", strconv.Itoa(port)}
	if n := len(d.args) - len(there); n >= 0 && slices.Equal(d.args[n:], there) {
		return slices.Clone(d.args)
	}
	return append(slices.Clone(d.args), there...)
}

// startedAnew follows the try to become another program.
func startedAnew(d *deps, code int, err error) error {
	if err != nil {
		return cliutil.Fail(cliutil.ExitFailed, fmt.Errorf("start the new daemon: %w", err),
			"the workers run on; start it yourself: "+d.command("start"))
	}
	return cliutil.Silent(code)
}

// runTrial is start of a version that is only tried: it is told on its standard
// input what it has to do, and tells on its standard output how far it is.
func (d *deps) runTrial(ctx context.Context, o daemon.Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	trial, err := daemon.NewTrial(d.streams.In, d.streams.Out, cancel)
	if err != nil {
		return err
	}
	o.Trial = trial
	if err := daemon.Run(ctx, o); err != nil {
		trial.Say(launch.Word{Stage: launch.StageFailed, Version: buildinfo.Version(), Error: d.explainHome(err).Error()})
		return err
	}
	return nil
}

// isTrial reports whether this version is only tried, and takes that out of the
// environment.
func isTrial(getenv func(string) string) bool {
	text := getenv(launch.TrialEnv)
	_ = os.Unsetenv(launch.TrialEnv) // a name that is set can be unset
	return text != ""
}
