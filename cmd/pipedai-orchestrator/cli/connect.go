package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/client"
	"pipedai/daemon"
	"pipedai/enroll"
	"pipedai/internal/backoff"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
	"pipedai/internal/secret"
	"pipedai/manifest"
	"pipedai/upgrade"
)

// defaultAPIURL is the hosted control plane.
const defaultAPIURL = "https://api.pipedai.app"

type connectOptions struct {
	apiURL     string
	token      string
	tokenStdin bool
	tokenFile  string
	label      string
	tasks      []string
	noInstall  bool
	noOpen     bool
	timeout    time.Duration
	json       bool
}

func newConnectCmd(d *deps) *cobra.Command {
	o := connectOptions{}
	cmd := &cobra.Command{
		Use:   "connect",
		Short: "Connect this host to a control plane",
		Long: `Connects this host: prints a code, waits until somebody approves it at the
control plane, and keeps the credentials. With an enrolment code nobody needs to
approve; one that is piped in is used without being asked for. Running it again
is safe.`,
		Example: `  pipedai-orchestrator connect --api-url https://api.example.com
  pipedai-orchestrator connect --api-url https://api.example.com --tasks tasks.yaml
  pipedai-orchestrator connect --api-url https://api.example.com --token-stdin < code.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("api-url") {
				if url := d.streams.Getenv("PIPEDAI_API_URL"); url != "" {
					o.apiURL = url
				}
			}
			return runConnect(cmd.Context(), d, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.apiURL, "api-url", defaultAPIURL, "the control plane")
	flags.StringVar(&o.token, "token", "", "enrolment code (other programs can see it; prefer --token-stdin)")
	flags.BoolVar(&o.tokenStdin, "token-stdin", false, "read the enrolment code from standard input")
	flags.StringVar(&o.tokenFile, "token-file", "", "read the enrolment code from a file")
	flags.StringVar(&o.label, "label", "", "name of the worker (default: the host's name)")
	flags.StringArrayVar(&o.tasks, "tasks", nil, "file of tasks the worker offers; may be given more than once")
	flags.BoolVar(&o.noInstall, "no-install", false, "do not install a service")
	flags.BoolVar(&o.noOpen, "no-open", false, "do not open a browser")
	flags.DurationVar(&o.timeout, "timeout", 0, "give up after this time (default: when the code expires)")
	flags.BoolVar(&o.json, "json", false, "print one JSON object per step")
	cmd.MarkFlagsMutuallyExclusive("token", "token-stdin", "token-file")
	return cmd
}

// again words the command line that connects once more, less the code: that
// one is spent.
func (o connectOptions) again(apiURL string) string {
	args := "connect --api-url " + daemon.ShellQuote(apiURL)
	if o.label != "" {
		args += " --label " + daemon.ShellQuote(o.label)
	}
	for _, file := range o.tasks {
		args += " --tasks " + daemon.ShellQuote(file)
	}
	return args
}

func runConnect(ctx context.Context, d *deps, o connectOptions) error {
	apiURL, err := enroll.NormalizeURL(o.apiURL)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "give it with --api-url")
	}
	if o.timeout < 0 {
		return cliutil.UsageError("--timeout must not be negative")
	}
	code, err := enrolmentCode(ctx, d, o)
	if err != nil {
		return err
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	facts, err := hostFacts(ctx, d)
	if err != nil {
		return err
	}
	pairing := ctx
	if o.timeout > 0 {
		var cancel context.CancelFunc
		pairing, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	show := newPresenter(pairing, d, o)
	defer show.stop()
	show.begin(apiURL, facts)
	forget := func() {}
	announce := func(p enroll.Pairing) {
		show.pairing(p)
		// So that status, asked in another terminal, knows what is waited for.
		clear, err := enroll.WritePending(dir, enroll.Pending{APIURL: apiURL, UserCode: p.UserCode, URL: p.URL, ExpiresAt: api.At(p.ExpiresAt)})
		if err == nil {
			forget = clear
		}
	}
	plane := client.New(apiURL, client.Options{UserAgent: userAgent(facts), HTTP: d.web()})
	result, err := enroll.Connect(pairing, enroll.Options{
		APIURL: apiURL, Code: code, Label: o.label, Tasks: o.tasks, Facts: facts, Dir: dir,
		Remote: plane, Verify: d.verify, OnPairing: announce, OnWait: show.wait, ConfirmURL: show.confirm, Trust: trustAtEnrolment,
	})
	forget()
	show.stop()
	if err != nil {
		return explainConnect(d, o, apiURL, err)
	}
	// Connected is connected: neither an interrupt nor the end of the patience
	// for an approval may keep the daemon from hearing of it.
	return finishConnect(context.WithoutCancel(ctx), d, o, show, result)
}

// userAgent says which program asks, and on what: the person who approves is
// shown it.
func userAgent(facts enroll.Facts) string {
	system := daemon.OSVersion()
	if system == "" {
		system = facts.OS
	}
	plain := func(r rune) rune { // what may stand in a header
		if r < ' ' || r > '~' || r == ';' {
			return '?'
		}
		return r
	}
	return fmt.Sprintf("%s/%s (%s; %s)", program, buildinfo.Version(), strings.Map(plain, system), runtime.GOARCH)
}

// finishConnect tells a running daemon, and the person what comes next.
func finishConnect(ctx context.Context, d *deps, o connectOptions, show *presenter, result enroll.Result) error {
	running := false
	if local, err := d.daemon(ctx); err == nil {
		req := api.ReloadRequest{}
		if result.Changed {
			req.Restart = []string{result.WorkerID}
		}
		if err := reload(ctx, local, req); err != nil {
			return cliutil.Fail(cliutil.ExitFailed,
				fmt.Errorf("connected, but the running daemon could not take it up: %w", err),
				"restart the daemon: "+d.command("start"))
		}
		running = true
	}
	if running {
		show.connected(result, running)
		return nil
	}
	if !o.json { // for programs it is the last step
		show.connected(result, running)
	}
	report, why := d.installUnasked(ctx, o)
	show.served(report, why)
	if o.json {
		show.connected(result, report != nil)
	}
	if report != nil && !o.noOpen && !o.json {
		d.openDashboard(ctx)
	}
	return nil
}

// trustAtEnrolment pins the keys that came with the credentials. On a host that
// pinned others before, those decide.
func trustAtEnrolment(ctx context.Context, hosts *manifest.Manifest, apiURL string, keys api.ReleaseKeys) error {
	_, _, err := upgrade.Follow(ctx, hosts, apiURL, keys, manifest.PinnedAtEnrolment, time.Now())
	return err
}

// reload tells the daemon, waiting for one that is only just starting.
func reload(ctx context.Context, local reached, req api.ReloadRequest) error {
	pace := backoff.Policy{Base: 100 * time.Millisecond, Max: time.Second}
	for tries := 1; ; tries++ {
		_, err := local.Reload(ctx, req)
		var answer *api.Error
		if !errors.As(err, &answer) || answer.Code != api.CodeNotReady || tries == 10 || !pace.Wait(ctx, tries) {
			return err
		}
	}
}

// verify asks whether a credential still stands. Only a refusal says no; not
// reaching the control plane says nothing.
func (d *deps) verify(ctx context.Context, apiURL string, token secret.Text, workspaceID, workerID string) (bool, error) {
	rows, err := client.New(apiURL, client.Options{Token: token, HTTP: d.web()}).Workers(ctx, workspaceID)
	var answer *api.Error
	if errors.As(err, &answer) && (answer.Status == 401 || answer.Status == 403 || answer.Status == 404) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		if row.ID == workerID {
			return true, nil
		}
	}
	return false, nil
}

// enrolmentCode takes the code from where the person put it; empty means that
// somebody will approve.
func enrolmentCode(ctx context.Context, d *deps, o connectOptions) (secret.Text, error) {
	in := secretInput{
		what: "enrolment code", flag: o.token, stdin: o.tokenStdin, file: o.tokenFile, env: "PIPEDAI_CONNECT_TOKEN",
		piped: true, optional: true,
	}
	code, _, err := in.read(ctx, d)
	return code, err
}

// hostFacts is what the person who approves is shown of this host.
func hostFacts(ctx context.Context, d *deps) (enroll.Facts, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return enroll.Facts{}, fmt.Errorf("find this host's name: %w", err)
	}
	return enroll.Facts{Hostname: hostname, OS: daemon.PlatformName(runtime.GOOS), Version: workerVersion(ctx, d)}, nil
}

// workerVersion asks the worker program. It may be missing: connecting does
// not need it, running does.
func workerVersion(ctx context.Context, d *deps) string {
	path, err := daemon.FindWorkerProgram(d.streams.Getenv("PIPEDAI_WORKER_PROGRAM"))
	if err != nil {
		return "unknown"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Dir = filepath.Dir(path)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	words := strings.Fields(lines[len(lines)-1])
	if len(words) == 0 || len(words[len(words)-1]) > 64 {
		return "unknown"
	}
	return words[len(words)-1]
}

// explainConnect adds what helps to the ways a pairing can fail.
func explainConnect(d *deps, o connectOptions, apiURL string, err error) error {
	again := "connect again: " + d.command(o.again(apiURL))
	var moved *enroll.MovedError
	var answer *api.Error
	switch {
	case errors.Is(err, context.Canceled):
		return cliutil.Fail(cliutil.ExitInterrupted, errors.New("interrupted; nothing was written"), again)
	case errors.Is(err, context.DeadlineExceeded):
		return cliutil.Fail(cliutil.ExitTimeout, errors.New("nobody approved in time; nothing was written"), again)
	case errors.Is(err, enroll.ErrDenied):
		return cliutil.Fail(cliutil.ExitAuth, err, "ask an operator of "+apiURL+", then "+again)
	case errors.Is(err, enroll.ErrExpired):
		return cliutil.Fail(cliutil.ExitTimeout, err, again)
	case errors.Is(err, enroll.ErrCodeUsed), errors.Is(err, enroll.ErrCodeUnknown):
		return cliutil.Fail(cliutil.ExitAuth, err, "get a new code, or leave it out and have the host approved")
	case errors.As(err, &moved):
		return cliutil.Fail(cliutil.ExitAuth, err, "if that is right: "+d.command(o.again(moved.To)))
	case errors.As(err, &answer) && answer.Status == 0:
		return cliutil.Fail(cliutil.ExitNotRunning, fmt.Errorf("%s could not be reached: %w", apiURL, err),
			"see what is in the way: "+d.command("connectivity --check --api-url "+daemon.ShellQuote(apiURL)))
	case errors.Is(err, enroll.ErrTaskFile):
		return cliutil.Fail(cliutil.ExitUsage, err, "name files that are there with --tasks")
	}
	return d.explainHome(err)
}
