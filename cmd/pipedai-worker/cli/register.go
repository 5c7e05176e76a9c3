package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/internal/atomicfile"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/secret"
)

// registerOptions are the flags of register.
type registerOptions struct {
	token      secret.Text
	tokenStdin bool
	apiURL     string
	config     string
	hostname   string
	label      string
	pool       bool
	authMode   string
}

func newRegisterCmd(s cliutil.Streams, runF func(context.Context, registerOptions) error) *cobra.Command {
	var o registerOptions
	var token string
	if runF == nil {
		runF = func(ctx context.Context, o registerOptions) error { return register(ctx, s, o) }
	}
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Trade a registration code for a worker token",
		Long: "Trade a registration code for a worker token, and write it with the worker's\n" +
			"identity to a configuration file that only its owner can read.",
		Example: "  pipedai-worker register --token-stdin --api-url http://127.0.0.1:3000 --config worker.json --hostname $(hostname) < code.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.token, o.authMode = secret.Text(token), s.Getenv("AUTH_MODE")
			if o.tokenStdin == (token != "") {
				return cliutil.UsageError("give the code either with --token-stdin (nobody else can read it there) or with --token")
			}
			return runF(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&token, "token", "", "the registration code (enr_... or wrk_...; other programs can see it: prefer --token-stdin)")
	f.BoolVar(&o.tokenStdin, "token-stdin", false, "read the code from stdin")
	f.StringVar(&o.apiURL, "api-url", "", "base URL of the control plane (required)")
	f.StringVar(&o.config, "config", "", "the worker.json to write (required)")
	f.StringVar(&o.hostname, "hostname", "", "name of this host (default: its own)")
	f.StringVar(&o.label, "label", "", "name of this worker for people")
	f.BoolVar(&o.pool, "pool", false, "register into the shared pool")
	_ = cmd.MarkFlagRequired("api-url")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func register(ctx context.Context, s cliutil.Streams, o registerOptions) error {
	if o.tokenStdin {
		line, err := io.ReadAll(io.LimitReader(s.In, 4096))
		if err != nil {
			return fmt.Errorf("read the code from stdin: %w", err)
		}
		o.token = secret.Text(strings.TrimSpace(string(line)))
	} else {
		_, _ = fmt.Fprintln(s.Err, "warning: other programs can see --token; use --token-stdin")
	}
	if o.token.Empty() {
		return cliutil.UsageError("the registration code is empty")
	}
	// Either would use the code up for another kind of worker than was asked for.
	switch pool := strings.HasPrefix(o.token.Reveal(), "pool_"); {
	case pool && !o.pool:
		return cliutil.UsageError("the code is for the pool: add --pool, or take a code of a workspace")
	case o.pool && (strings.HasPrefix(o.token.Reveal(), "wrk_") || strings.HasPrefix(o.token.Reveal(), "enr_")):
		return cliutil.UsageError("the code is of a workspace: leave --pool out, or take a code that begins with pool_")
	}
	if o.hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the name of this host: %w", err)
		}
		o.hostname = name
	}
	// Fail before the code is used up, not after.
	if err := writable(o.config); err != nil {
		return cliutil.Fail(cliutil.ExitFailed, err, "choose another file with --config")
	}
	c := client.New(o.apiURL, client.Options{UserAgent: "pipedai-worker/" + buildinfo.Version()})
	result, err := trade(ctx, c, o)
	if err != nil {
		return explainRedeem(err, o.apiURL)
	}
	if result.WorkerID == "" || !strings.HasPrefix(result.WorkerToken, "wkt_") {
		return cliutil.Failf(cliutil.ExitFailed, "check --api-url", "%s did not answer with a worker: is it a control plane?", c.BaseURL())
	}
	if err := writeConfig(o.config, result, o.pool); err != nil {
		return fmt.Errorf("write %s: %w", o.config, err)
	}
	_, err = fmt.Fprintf(s.Out, "registered as worker %s, configuration in %s\n", result.WorkerID, o.config)
	return err
}

// trade gets a worker for the code: an enrolment code or a registration token.
func trade(ctx context.Context, c *client.Client, o registerOptions) (api.RedeemResult, error) {
	if code := o.token.Reveal(); strings.HasPrefix(code, "wrk_") || strings.HasPrefix(code, "pool_") {
		got, err := c.RegisterWorker(ctx, api.RegisterWorkerRequest{
			Token: code, Hostname: o.hostname, OS: platform(), Version: buildinfo.Version(), Label: o.label,
		})
		return api.RedeemResult{WorkerID: got.WorkerID, WorkerToken: got.WorkerToken, APIURL: got.APIURL, WorkspaceID: got.WorkspaceID}, err
	}
	return c.Redeem(ctx, api.RedeemRequest{
		Code: o.token.Reveal(), Hostname: o.hostname, OS: platform(), Version: buildinfo.Version(), Label: o.label,
	})
}

// writable checks that the file can be written.
func writable(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the folder of %s cannot be made: %w", path, err)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	_ = probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		return fmt.Errorf("%s cannot be replaced: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeConfig writes the worker's identity and keeps every other member.
func writeConfig(path string, result api.RedeemResult, pool bool) error {
	return atomicfile.Update(path, 0o600, func(old []byte) ([]byte, error) {
		members := map[string]any{}
		if len(old) > 0 {
			var kept map[string]json.RawMessage
			if err := json.Unmarshal(old, &kept); err != nil {
				return nil, errors.New("the file is there and is not JSON; move it away first")
			}
			for name, value := range kept {
				members[name] = value
			}
		}
		members["workerId"] = result.WorkerID
		members["workerToken"] = result.WorkerToken
		members["apiUrl"] = result.APIURL
		members["workspaceId"] = nil
		if result.WorkspaceID != "" {
			members["workspaceId"] = result.WorkspaceID
		}
		members["isPool"] = pool
		data, err := json.MarshalIndent(members, "", "  ")
		return append(data, '\n'), err
	})
}

// explainRedeem says what to do about a refused code.
func explainRedeem(err error, apiURL string) error {
	var remote *api.Error
	if !errors.As(err, &remote) {
		return err
	}
	const another = "ask an operator for a new code: pipeweave enrollments issue"
	switch remote.Status {
	case 0:
		return cliutil.Failf(cliutil.ExitNotRunning, "check --api-url, and that the control plane runs", "%s does not answer: %w", apiURL, err)
	case 400, 401, 403, 404:
		return cliutil.Failf(cliutil.ExitAuth, another, "the code was refused: %w", err)
	case 409:
		return cliutil.Failf(cliutil.ExitAuth, another, "the code was used before: %w", err)
	case 410:
		return cliutil.Failf(cliutil.ExitAuth, another, "the code has expired: %w", err)
	default:
		return fmt.Errorf("register: %w", err)
	}
}

// platform is the operating system's name on the wire.
func platform() string {
	if runtime.GOOS == "windows" {
		return "win32"
	}
	return runtime.GOOS
}
