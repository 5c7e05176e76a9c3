package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"pipedai/cmd/pipedai-worker/command"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/storage/all"
	"pipedai/worker"
)

// runOptions are the flags of run.
type runOptions struct {
	config       string
	tasks        []string
	slots        int
	drainTimeout time.Duration
	scratch      string
}

func newRunCmd(s cliutil.Streams, runF func(context.Context, runOptions) error) *cobra.Command {
	var o runOptions
	if runF == nil {
		runF = func(ctx context.Context, o runOptions) error { return run(ctx, s, o) }
	}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Claim work and do it until told to stop",
		Long: "Claim work and do it until told to stop. SIGTERM or Ctrl-C stops claiming, lets\n" +
			"what runs finish, and ends with 0; a second one ends at once.",
		Example: "  pipedai-worker run --config worker.json\n  pipedai-worker run --config worker.json --tasks ./pdf-processor.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.slots < 1 {
				return cliutil.UsageError("--slots must be at least 1")
			}
			return runF(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "the worker.json (required)")
	f.StringArrayVar(&o.tasks, "tasks", nil, "a task file, beside those that worker.json names; may be repeated")
	f.IntVar(&o.slots, "slots", 8, "how many runs to have at once")
	f.DurationVar(&o.drainTimeout, "drain-timeout", 0, "how long runs may go on while stopping (0: as long as they need)")
	f.StringVar(&o.scratch, "scratch", "", "folder for the runs' temporary files (default: the system's)")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func run(ctx context.Context, s cliutil.Streams, o runOptions) error {
	cfg, err := worker.LoadConfig(o.config)
	if err != nil {
		return err
	}
	log := slog.New(worker.NewLineHandler(s.Out, s.Err))
	loader := loader{
		ctx: ctx, env: command.Environment(os.Environ()),
		programDirs: programDirs(), log: log,
	}
	files, err := taskFiles(o.config, cfg.Tasks, o.tasks)
	if err != nil {
		return err
	}
	sets, err := loader.sets(files)
	if err != nil {
		return err
	}
	options := worker.Options{
		Storage: all.Open, Scratch: o.scratch, DrainTimeout: o.drainTimeout, Slots: o.slots,
		Version: buildinfo.Version(), Log: log,
	}
	if err := options.Use(cfg, s.Getenv); err != nil {
		return err
	}
	if len(sets) == 0 {
		log.Warn("this worker offers no tasks: name a task file as \"tasks\" in its worker.json (or connect with --tasks FILE), then restart it", "config", o.config)
		return worker.StayOnline(ctx, options)
	}
	return worker.RunSets(ctx, sets, options)
}

// taskFiles resolves the names in worker.json, which are relative to it, and
// those of flags, which are relative to the working directory; repetitions are
// dropped.
func taskFiles(config string, configured, flags []string) ([]string, error) {
	var files []string
	add := func(name string) error {
		path, err := filepath.Abs(name)
		if err != nil {
			return fmt.Errorf("resolve %s: %w", name, err)
		}
		if !slices.Contains(files, path) {
			files = append(files, path)
		}
		return nil
	}
	for _, name := range configured {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(config), name)
		}
		if err := add(name); err != nil {
			return nil, err
		}
	}
	for _, name := range flags {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// programDirs are where programs are looked for after the task file's folder.
func programDirs() []string {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{filepath.Dir(self)}
}
