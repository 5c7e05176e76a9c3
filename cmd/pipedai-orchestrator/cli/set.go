package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/cliutil"
)

// setOptions are the flags of "workers set". Which of them were named is asked
// of the flag set: 0 and "" are values.
type setOptions struct {
	name                 string
	memory, dir, auth    string
	cpu                  float64
	pids, nofile         int64
	env, unset, envFiles []string
	stopGrace, stable    time.Duration
	restarts             int
	backoff              []time.Duration
	finalCodes           []int
	restart, json        bool
}

func newSetCmd(d *deps) *cobra.Command {
	o := setOptions{}
	cmd := &cobra.Command{
		Use: "set <worker>", Short: "Change what a worker is given: environment, limits, restarts, stop grace",
		Long: `Changes what one worker is given instead of the daemon's defaults. What is not
named stays as it is; 0, and nothing in quotes, bring the default back.

A change takes effect when the worker's process starts the next time. With
--restart it is drained and started again now.

Values of --env are kept in the manifest and can be seen by whoever lists
processes while this command runs: secrets belong into --env-file, with lines
NAME=value, or - for standard input. They are kept in a file that only its owner
may read, and are taken out of captured output.

Limits are kept by control groups on Linux where the daemon's unit delegates
them. Where one is not kept, "workers show" and "status" say so.` + namesText,
		Example: `  pipedai-orchestrator workers set build-box --memory 2GiB --cpu 1.5 --pids 200
  pipedai-orchestrator workers set build-box --env MODEL=small --unset-env OLD --restart
  pipedai-orchestrator workers set build-box --env-file secrets.env
  pipedai-orchestrator workers set build-box --stop-grace 10m --restarts 20 --backoff 1s,5s,1m`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: d.completeWorker,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return runSet(cmd.Context(), d, o, cmd.Flags())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.memory, "memory", "", "most memory of the worker and all it starts, as 512MiB or 2GB; 0 is no limit")
	f.Float64Var(&o.cpu, "cpu", 0, "most processors, as 1.5; 0 is no limit")
	f.Int64Var(&o.pids, "pids", 0, "most processes and threads; 0 is no limit")
	f.Int64Var(&o.nofile, "nofile", 0, "most open files of each process; 0 is the daemon's limit")
	f.StringArrayVar(&o.env, "env", nil, "`NAME=value` for its environment; may be repeated")
	f.StringArrayVar(&o.envFiles, "env-file", nil, "`file` with secret NAME=value lines, - for standard input; may be repeated")
	f.StringArrayVar(&o.unset, "unset-env", nil, "`NAME` to take out of its environment again; may be repeated")
	f.StringVar(&o.dir, "dir", "", "working folder; empty is that of its configuration")
	f.StringVar(&o.auth, "auth-mode", "", "claude-max or api-key")
	f.DurationVar(&o.stopGrace, "stop-grace", 0, "how long a run may take to finish when it is stopped; 0 is the daemon's")
	f.IntVar(&o.restarts, "restarts", 0, "restarts in a row before it is left crashed; -1 is for ever, 0 the default")
	f.DurationSliceVar(&o.backoff, "backoff", nil, "pauses before the 1st, 2nd, ... restart, as 1s,5s,1m; the last repeats")
	f.DurationVar(&o.stable, "stable", 0, "a run of this length forgets the restarts before it; 0 is the default")
	f.IntSliceVar(&o.finalCodes, "final-codes", nil, "exit codes after which it is not started again, as 2,78")
	f.BoolVar(&o.restart, "restart", false, "drain it and start it again with the change")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func runSet(ctx context.Context, d *deps, o setOptions, flags *pflag.FlagSet) error {
	change, err := o.change(d, flags)
	if err != nil {
		return err
	}
	local, err := d.daemon(ctx)
	if err != nil {
		return err
	}
	w, err := findWorker(ctx, d, local, o.name)
	if err != nil {
		return err
	}
	detail, err := local.ChangeWorker(ctx, w.ID, change)
	if err != nil {
		return err
	}
	if o.restart {
		if _, err := local.Reload(ctx, api.ReloadRequest{Restart: []string{w.ID}}); err != nil {
			return fmt.Errorf("%s is changed, but could not be restarted: %w", w.Label, err)
		}
	}
	if o.json {
		return cliutil.JSON(d.streams.Out, detail)
	}
	runs := detail.Worker.Local != nil && detail.Worker.Local.PID != nil
	switch {
	case o.restart && runs:
		d.printf("%s is changed. It finishes the run it has in hand and starts again with the change.\n", cliutil.Printable(w.Label))
	case runs:
		d.printf("%s is changed. It takes effect at its next start; now: %s\n", cliutil.Printable(w.Label), d.command("workers set "+w.ID+" --restart"))
	default:
		d.printf("%s is changed. It takes effect when it starts.\n", cliutil.Printable(w.Label))
	}
	return nil
}

// change is what the flags ask for. Only "--restart" alone changes nothing.
func (o setOptions) change(d *deps, flags *pflag.FlagSet) (api.WorkerSettingsChange, error) {
	var c api.WorkerSettingsChange
	if flags.NFlag() == 0 || flags.NFlag() == 1 && o.json {
		return c, cliutil.UsageError("nothing to change: name a setting, see %s", d.command("workers set --help"))
	}
	var limits api.WorkerLimitsChange
	if flags.Changed("memory") {
		bytes, err := parseBytes(o.memory)
		if err != nil {
			return c, cliutil.UsageError("--memory: %v", err)
		}
		limits.MemoryBytes = &bytes
	}
	named(flags, "cpu", &limits.CPU, o.cpu)
	named(flags, "pids", &limits.PIDs, o.pids)
	named(flags, "nofile", &limits.NoFile, o.nofile)
	if limits != (api.WorkerLimitsChange{}) {
		c.Limits = &limits
	}
	var restart api.WorkerRestartsChange
	named(flags, "restarts", &restart.Budget, o.restarts)
	named(flags, "stable", &restart.StableMs, o.stable.Milliseconds())
	named(flags, "final-codes", &restart.FinalCodes, append([]int{}, o.finalCodes...))
	if flags.Changed("backoff") {
		steps := []int64{}
		for _, step := range o.backoff {
			steps = append(steps, step.Milliseconds())
		}
		restart.BackoffMs = &steps
	}
	if restart != (api.WorkerRestartsChange{}) {
		c.Restart = &restart
	}
	named(flags, "auth-mode", &c.AuthMode, o.auth)
	named(flags, "stop-grace", &c.StopGraceMs, o.stopGrace.Milliseconds())
	if flags.Changed("dir") {
		dir := o.dir
		if dir != "" {
			abs, err := filepath.Abs(dir)
			if err != nil {
				return c, cliutil.UsageError("--dir: %v", err)
			}
			dir = abs
		}
		c.Dir = &dir
	}
	return c, o.environment(d, &c)
}

// environment adds the variables.
func (o setOptions) environment(d *deps, c *api.WorkerSettingsChange) error {
	put := func(to *map[string]*string, name string, value *string) {
		if *to == nil {
			*to = map[string]*string{}
		}
		(*to)[name] = value
	}
	for _, name := range o.unset { // wherever it is kept
		put(&c.Env, name, nil)
		put(&c.SecretEnv, name, nil)
	}
	for _, entry := range o.env {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			return cliutil.UsageError("--env wants NAME=value")
		}
		put(&c.Env, name, &value)
		put(&c.SecretEnv, name, nil)
	}
	for _, file := range o.envFiles {
		data, err := readEnvFile(d, file)
		if err != nil {
			return cliutil.UsageError("--env-file: %v", err)
		}
		env, err := enroll.ParseEnv(data)
		if err != nil {
			return cliutil.UsageError("--env-file %s: %v", file, err)
		}
		for name, value := range env {
			text := value.Reveal()
			put(&c.SecretEnv, name, &text)
			delete(c.Env, name)
		}
	}
	return nil
}

// maxEnvFile is what the daemon takes in one request, with room to spare.
const maxEnvFile = 48 << 10

func readEnvFile(d *deps, name string) ([]byte, error) {
	in := d.streams.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
			d.notef("Others may read %s; make it yours alone: chmod 600 %s\n", name, name)
		}
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxEnvFile+1))
	if err == nil && len(data) > maxEnvFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxEnvFile)
	}
	return data, err
}

// named points to at value when the flag was named.
func named[T any](flags *pflag.FlagSet, flag string, to **T, value T) {
	if flags.Changed(flag) {
		*to = &value
	}
}

// parseBytes reads 1073741824, 512MiB, 2GB, 1.5G. One letter means what the
// "iB" of it means.
func parseBytes(text string) (int64, error) {
	bad := fmt.Errorf("%.40q is no amount of memory; write 512MiB or 2GB", text)
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.ToLower(strings.TrimSpace(text[len(digits):]))
	scale := map[string]float64{
		"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1e3, "m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
		"g": 1 << 30, "gib": 1 << 30, "gb": 1e9, "t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
	}[unit]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || scale == 0 || !(n >= 0) || n*scale > 1<<60 {
		return 0, bad
	}
	return int64(n * scale), nil
}
