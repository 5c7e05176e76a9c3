package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
	"pipedai/internal/hostdir"
)

// Main is the whole of a program made of one set: describe, exec, key, listen,
// run, local and version. It returns the exit code for os.Exit. open is how listen
// and run reach storage; storage/all.Open knows every provider.
func Main(s *Set, open OpenBucket) int {
	ctx, stop := cliutil.Signals(context.Background())
	defer stop()
	streams := cliutil.System()
	// What handlers print must not mix with the output that exec writes.
	os.Stdout = os.Stderr
	return Execute(ctx, s, open, streams, os.Args[1:])
}

// Execute is Main inside a process: ctx ends what runs long.
func Execute(ctx context.Context, s *Set, open OpenBucket, streams cliutil.Streams, args []string) int {
	p := &program{set: s, open: open, streams: streams}
	root := &cobra.Command{
		Use:           filepath.Base(s.service),
		Short:         "Tasks of the service " + s.service,
		Version:       s.version,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return s.Validate()
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(p.describeCmd(), p.execCmd(), p.keyCmd(), p.listenCmd(), p.runCmd(), p.localCmd(), p.versionCmd())
	return cliutil.Run(ctx, root, streams, args, Explain)
}

type program struct {
	set     *Set
	open    OpenBucket
	streams cliutil.Streams
}

func (p *program) describeCmd() *cobra.Command {
	return &cobra.Command{
		Use: "describe", Short: "Print the tasks as JSON", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return cliutil.JSON(p.streams.Out, p.set.describe()) },
	}
}

func (p *program) execCmd() *cobra.Command {
	return &cobra.Command{
		Use: "exec TASK", Short: "Do one task by the command protocol (input on stdin, output on stdout)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithCancelCause(context.WithoutCancel(cmd.Context()))
			defer cancel(nil)
			// Whoever started us ends us with a signal: the run is over.
			defer context.AfterFunc(cmd.Context(), func() { cancel(ErrCancelled) })()
			ok, err := p.set.execTask(ctx, args[0], p.streams.In, p.streams.Out, p.streams.Err, p.streams.Getenv)
			if err == nil && !ok {
				return cliutil.Silent(cliutil.ExitFailed)
			}
			return err
		},
	}
}

func (p *program) keyCmd() *cobra.Command {
	return &cobra.Command{
		Use: "key TASK", Short: "Print the idempotency key of a task for the input on stdin", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := p.set.keyFor(args[0], p.streams.In, p.streams.Getenv)
			if err == nil {
				_, err = fmt.Fprintln(p.streams.Out, key)
			}
			return err
		},
	}
}

func (p *program) listenCmd() *cobra.Command {
	o := p.options()
	cmd := &cobra.Command{
		Use: "listen", Short: "Serve the tasks over HTTP to an engine that pushes work",
		Long: "Serve the tasks over HTTP to an engine that pushes work.\n\n" +
			"The secret shared with the engine comes from the environment variable PIPEDAI_SECRET_KEY,\n" +
			"a bearer token, where the control plane wants one, from PIPEWEAVE_API_TOKEN.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Secret, o.Token = Secret(p.streams.Getenv("PIPEDAI_SECRET_KEY")), Secret(p.streams.Getenv("PIPEWEAVE_API_TOKEN"))
			if o.Secret.Empty() {
				return cliutil.Failf(cliutil.ExitUsage, "set PIPEDAI_SECRET_KEY to the engine's secret key", "the secret shared with the engine is missing")
			}
			return p.set.Listen(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.APIURL, "api-url", "http://127.0.0.1:3000", "base URL of the control plane")
	cmd.Flags().StringVar(&o.Addr, "addr", "127.0.0.1:8080", "address to listen on")
	cmd.Flags().StringVar(&o.BaseURL, "base-url", "", "how the engine reaches this program (default http://localhost:<port>)")
	cmd.Flags().DurationVar(&o.DrainTimeout, "drain-timeout", 0, "how long runs may go on while stopping (0: as long as they need)")
	return cmd
}

func (p *program) runCmd() *cobra.Command {
	o := p.options()
	var path string
	cmd := &cobra.Command{
		Use: "run", Short: "Pull work with the worker token of a worker.json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := LoadConfig(path)
			if err != nil {
				return err
			}
			if err := o.Use(cfg, p.streams.Getenv); err != nil {
				return err
			}
			return p.set.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "the worker.json (required)")
	_ = cmd.MarkFlagRequired("config")
	cmd.Flags().IntVar(&o.Slots, "slots", 8, "how many runs to have at once")
	cmd.Flags().DurationVar(&o.DrainTimeout, "drain-timeout", 0, "how long runs may go on while stopping (0: as long as they need)")
	return cmd
}

func (p *program) localCmd() *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use: "local TASK", Short: "Do one task here and print its result", Args: cobra.ExactArgs(1),
		Example: "  " + p.set.service + " local TASK --input '{\"name\": \"value\"}'\n  " + p.set.service + " local TASK --input @input.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := givenInput(input, p.streams.In)
			if err != nil {
				return err
			}
			result, err := p.set.RunLocal(cmd.Context(), args[0], Local{Input: raw, Log: p.streams.Err})
			if err != nil {
				return err
			}
			var assets []string
			for _, asset := range result.Assets {
				assets = append(assets, asset.Path)
			}
			return cliutil.JSON(p.streams.Out, map[string]any{"output": result.Output, "runNext": result.Next, "assets": assets})
		},
	}
	cmd.Flags().StringVar(&input, "input", "null", "the input as JSON; @FILE reads a file, - reads stdin")
	return cmd
}

func (p *program) versionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.streams.Out, p.set.version)
			return err
		},
	}
}

func (p *program) options() Options {
	return Options{Storage: p.open, Log: slog.New(NewLineHandler(p.streams.Out, p.streams.Err))}
}

// Use fills in what a worker.json and the environment say about pulling work.
func (o *Options) Use(cfg Config, getenv func(string) string) error {
	o.APIURL, o.Token, o.TokenFile = cfg.APIURL, cfg.WorkerToken, cfg.Path
	if getenv("PIPEDAI_LOCAL_RUN_EVENTS") != "1" {
		return nil
	}
	if err := hostdir.ValidID(cfg.WorkerID); err != nil {
		return fmt.Errorf("worker id: %w", err)
	}
	dir, err := hostdir.Resolve(getenv)
	if err != nil {
		return err
	}
	o.RunEventsDir = filepath.Join(dir.Runs(), cfg.WorkerID)
	return nil
}

// Explain gives the errors of this package their exit codes and fixes; any
// other error stays as it is.
func Explain(err error) error {
	switch {
	case errors.Is(err, ErrUnauthorized):
		return cliutil.Fail(cliutil.ExitAuth, err, "enroll this host again: pipedai-orchestrator connect")
	case errors.Is(err, ErrConfig):
		return cliutil.Fail(cliutil.ExitAuth, err, "enroll this host to get one: pipedai-orchestrator connect")
	}
	return err
}

// givenInput reads the value of --input.
func givenInput(text string, stdin io.Reader) (json.RawMessage, error) {
	data, err := []byte(text), error(nil)
	switch {
	case text == "-":
		data, err = io.ReadAll(io.LimitReader(stdin, maxDocument))
	case len(text) > 0 && text[0] == '@':
		data, err = os.ReadFile(text[1:])
	}
	if err != nil {
		return nil, fmt.Errorf("read the input: %w", err)
	}
	if !json.Valid(data) {
		return nil, cliutil.UsageError("the input is not JSON: %s", shorten(string(data), 60))
	}
	return data, nil
}
