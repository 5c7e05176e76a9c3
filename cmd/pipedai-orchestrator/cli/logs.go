package cli

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/internal/cliutil"
	"pipedai/internal/grep"
	"pipedai/internal/workerlog"
)

type logsOptions struct {
	names        []string
	follow       bool
	tail         int
	tailSet      bool
	since, until string
	grep, stream string
	regex        bool
	ignoreCase   bool
	json, raw    bool
	daemon       bool
}

const (
	maxLogsTail = 5000
	logsPage    = 1000 // lines asked for at a time
)

func newLogsCmd(d *deps) *cobra.Command {
	o := logsOptions{}
	cmd := &cobra.Command{
		Use:   "logs [worker...]",
		Short: "Show what workers wrote",
		Long: `Shows the newest lines that workers wrote, of all workers when none is named; of
several, in the order of time and with their names. With --since or --until, all
lines of that time. Without a running daemon the files are read.

A worker is named by its id, its label, or the beginning of either. Times are RFC
3339 (2030-02-03T04:05:06Z) or how long ago (10m).`,
		Example: `  pipedai-orchestrator logs build-box
  pipedai-orchestrator logs build-box -f
  pipedai-orchestrator logs --since 10m --grep error --stream err`,
		Args: cobra.ArbitraryArgs, ValidArgsFunction: d.completeWorkers,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names, o.tailSet = args, cmd.Flags().Changed("tail")
			return runLogs(cmd.Context(), d, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with new lines until interrupted, also through restarts of the daemon")
	flags.IntVarP(&o.tail, "tail", "n", 100, "how many lines of each worker, 1 to 5000")
	flags.StringVar(&o.since, "since", "", "only lines since then")
	flags.StringVar(&o.until, "until", "", "only lines before then")
	flags.StringVar(&o.grep, "grep", "", "only lines that hold this text")
	flags.BoolVarP(&o.ignoreCase, "ignore-case", "i", false, "--grep in any case")
	flags.BoolVar(&o.regex, "regex", false, "--grep is a regular expression (RE2)")
	flags.StringVar(&o.stream, "stream", "", "only lines of out or err")
	flags.BoolVar(&o.json, "json", false, "print one JSON object per line")
	flags.BoolVar(&o.raw, "raw", false, "print control characters as they are, where output is not a terminal")
	flags.BoolVar(&o.daemon, "daemon", false, "show the daemon's own log")
	return cmd
}

// query checks the options and makes the filter of them.
func (o logsOptions) query(now time.Time) (q workerlog.Query, err error) {
	if o.tail < 1 || o.tail > maxLogsTail {
		return q, cliutil.UsageError("--tail %d is not between 1 and %d", o.tail, maxLogsTail)
	}
	if q.Since, err = moment("since", o.since, now); err != nil {
		return q, err
	}
	if q.Until, err = moment("until", o.until, now); err != nil {
		return q, err
	}
	if o.follow && o.until != "" {
		return q, cliutil.UsageError("--until and --follow exclude each other")
	}
	switch q.Stream = o.stream; q.Stream {
	case "", "out", "err":
	default:
		return q, cliutil.UsageError("--stream %.20q is neither out nor err", o.stream)
	}
	if len(o.grep) > 1000 {
		return q, cliutil.UsageError("--grep is longer than 1000 bytes")
	}
	if !o.regex {
		q.Text, q.IgnoreCase = o.grep, o.ignoreCase
		return q, nil
	}
	if q.Pattern, err = grep.Compile(o.grep, o.ignoreCase); err != nil {
		return q, cliutil.UsageError("--grep: %v", err)
	}
	return q, nil
}

func moment(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, cliutil.UsageError("--%s %.40q is neither a time (2030-02-03T04:05:06Z) nor how long ago (10m)", name, text)
	}
	return at, nil
}

// logSource is where lines come from: the daemon, or the files.
type logSource interface {
	page(ctx context.Context, id string, q workerlog.Query) (api.LogLines, error)
}

func runLogs(ctx context.Context, d *deps, o logsOptions) error {
	q, err := o.query(time.Now())
	if err != nil {
		return err
	}
	if o.daemon {
		return showDaemonLog(ctx, d, o)
	}
	local, err := d.daemon(ctx)
	if errors.Is(err, daemon.ErrNoInfo) && !o.follow {
		return logsOfFiles(ctx, d, o, q, err)
	}
	if err != nil {
		return err
	}
	workers, err := local.Workers(ctx)
	if err != nil {
		return err
	}
	show := &logPrinter{d: d, o: o}
	if len(o.names) == 0 {
		show.targets = workers
	}
	for _, name := range o.names {
		w, err := d.pick(workers, name)
		if err != nil {
			return err
		}
		show.add(w)
	}
	if o.follow {
		return newFollower(show, q).run(ctx, local)
	}
	return show.history(ctx, remoteLogs{local}, q, nil)
}

// remoteLogs asks the daemon.
type remoteLogs struct{ reached }

func (r remoteLogs) page(ctx context.Context, id string, q workerlog.Query) (api.LogLines, error) {
	return r.Logs(ctx, id, wireQuery(q))
}

// wireQuery spells a query as the route reads it.
func wireQuery(q workerlog.Query) url.Values {
	v := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, at := range map[string]*int64{"after": q.After, "before": q.Before} {
		if at != nil {
			v.Set(name, strconv.FormatInt(*at, 10))
		}
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			v.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	set("stream", q.Stream)
	set("grep", q.Text)
	if q.IgnoreCase {
		v.Set("ignoreCase", "1")
	}
	if q.Pattern != nil {
		v.Set("grep", q.Pattern.String())
		v.Set("regex", "1")
	}
	return v
}
