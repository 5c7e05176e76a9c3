package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon/connectivity"
	"pipedai/internal/cliutil"
)

type connectivityOptions struct {
	tail     int
	problems bool
	json     bool

	check   bool
	apiURLs []string
	timeout time.Duration
}

func newConnectivityCmd(d *deps) *cobra.Command {
	o := connectivityOptions{}
	cmd := &cobra.Command{
		Use:   "connectivity",
		Short: "Show whether this host reached its control planes, or check it now",
		Long: `Shows what the daemon recorded about the network: whether control planes and the
internet could be reached, every 20 seconds. It reads the record itself, so the
daemon need not run.

With --check it looks now: proxy, name, connection, certificate, answer, clock,
credential and event stream of every control plane of this host, each with what
helps. It exits with 1 when something fails.`,
		Example: `  pipedai-orchestrator connectivity --problems
  pipedai-orchestrator connectivity --check
  pipedai-orchestrator connectivity --check --api-url https://api.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.check || len(o.apiURLs) > 0 {
				return runDoctor(cmd.Context(), d, o)
			}
			return runHistory(d, o)
		},
	}
	check := &cobra.Command{
		Use:     "check",
		Short:   "Check now: the same as connectivity --check",
		Example: "  pipedai-orchestrator connectivity check",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), d, o) },
	}
	flags := cmd.PersistentFlags()
	flags.BoolVar(&o.json, "json", false, "print JSON; of the history one object per line")
	flags.StringArrayVar(&o.apiURLs, "api-url", nil, "check this control plane instead of those of this host; may be given more than once")
	flags.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long a check may take altogether")
	cmd.Flags().BoolVar(&o.check, "check", false, "look now instead of showing the history")
	cmd.Flags().IntVarP(&o.tail, "tail", "n", 20, "how many samples to show, the newest")
	cmd.Flags().BoolVar(&o.problems, "problems", false, "leave out samples of when all was well")
	cmd.AddCommand(check)
	return cmd
}

func runHistory(d *deps, o connectivityOptions) error {
	if o.tail < 1 {
		return cliutil.UsageError("--tail %d is less than 1", o.tail)
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	path := dir.Connectivity()
	samples, err := connectivity.Read(path)
	if err != nil {
		return d.explainHome(err)
	}
	if len(samples) == 0 {
		d.notef("Nothing is recorded in %s: the daemon writes it while it runs.\nStart it: %s\nOr look now: %s\n",
			path, d.command("start"), d.command("connectivity --check"))
		return nil
	}
	shown := samples
	if o.problems {
		shown = nil
		for _, s := range samples {
			if s.Verdict != api.VerdictOnline {
				shown = append(shown, s)
			}
		}
	}
	shown = shown[max(0, len(shown)-o.tail):]
	if o.json {
		for _, s := range shown {
			d.printJSON(s)
		}
		return nil
	}
	printSummary(d, path, samples)
	for _, s := range shown {
		d.printf("%s\n", sampleLine(s))
	}
	if len(shown) == 0 {
		d.printf("No problem is recorded.\n")
	}
	return nil
}

// printSummary is the header: how it is, and how often it was how.
func printSummary(d *deps, path string, samples []api.ConnectivitySample) {
	last := samples[len(samples)-1]
	counts := map[string]int{}
	for _, s := range samples {
		counts[s.Verdict]++
	}
	var parts []string
	for _, verdict := range []string{api.VerdictOnline, api.VerdictAPIUnreachable, api.VerdictOffline, api.VerdictUnknown} {
		if n := counts[verdict]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", verdict, n))
		}
	}
	age := max(0, int64(time.Since(time.UnixMilli(last.TS)).Seconds()))
	d.printf("Now      %s, as of %d s ago\nSamples  %d: %s\nLog      %s\n\n",
		cliutil.Printable(last.Verdict), age, len(samples), strings.Join(parts, ", "), path)
}

// sampleLine is one sample for people, by the clock of this place.
func sampleLine(s api.ConnectivitySample) string {
	line := fmt.Sprintf("%s  %-15s", time.UnixMilli(s.TS).Format("2006-01-02 15:04:05 MST"), s.Verdict)
	for _, p := range s.API {
		line += "  " + hostOf(p.URL) + " " + outcome(p.OK, p.LatencyMs, p.Status, p.Error)
	}
	internet := outcome(s.Internet.OK, s.Internet.LatencyMs, s.Internet.Status, s.Internet.Error)
	if s.Internet.Off {
		internet = "not asked"
	}
	return cliutil.Printable(line + "  internet " + internet)
}

func outcome(ok bool, latencyMs *int64, status *int, err string) string {
	switch {
	case ok && latencyMs != nil:
		return fmt.Sprintf("%d ms", *latencyMs)
	case status != nil:
		return fmt.Sprintf("HTTP %d", *status)
	default:
		return err
	}
}

// hostOf shortens a base URL to what tells control planes apart.
func hostOf(base string) string {
	_, rest, found := strings.Cut(base, "://")
	if !found {
		return base
	}
	return rest
}

func runDoctor(ctx context.Context, d *deps, o connectivityOptions) error {
	if o.timeout <= 0 {
		return cliutil.UsageError("--timeout must be more than 0")
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	planes, err := d.planesToCheck(ctx, o.apiURLs)
	if err != nil {
		return err
	}
	report := d.examine(ctx, planes)
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return context.Canceled
	}
	if o.json {
		err = cliutil.JSON(d.streams.Out, report)
	} else {
		report.print(d)
	}
	if err == nil && !report.OK {
		err = cliutil.Silent(cliutil.ExitFailed)
	}
	return err
}
