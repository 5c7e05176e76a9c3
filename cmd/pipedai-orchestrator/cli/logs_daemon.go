package cli

import (
	"context"
	"errors"
	"os"

	"pipedai/internal/cliutil"
	"pipedai/internal/rotate"
)

// showDaemonLog prints, or follows, the end of the daemon's own log, where it keeps one.
func showDaemonLog(ctx context.Context, d *deps, o logsOptions) error {
	if len(o.names) > 0 || o.grep != "" || o.since != "" || o.until != "" || o.stream != "" || o.json {
		return cliutil.UsageError("--daemon goes with --tail, --follow and --raw only")
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	show := func(l string) {
		if !o.raw || d.streams.OutTTY {
			l = cliutil.Printable(l)
		}
		d.printf("%s\n", l)
	}
	var lines []string
	if o.follow {
		err = rotate.Follow(ctx, dir.DaemonLog(), o.tail, show)
	} else {
		lines, err = rotate.Tail(dir.DaemonLog(), o.tail)
	}
	if ctx.Err() != nil {
		return err
	}
	if errors.Is(err, os.ErrNotExist) {
		return cliutil.Failf(cliutil.ExitFailed, "a daemon under systemd logs to the journal: journalctl --user -u pipedai-orchestrator; "+
			"for one in a terminal: "+d.command("start --log-file"), "the daemon of this host keeps no log file")
	}
	if err != nil {
		return d.explainHome(err)
	}
	for _, l := range lines {
		show(l)
	}
	return nil
}
