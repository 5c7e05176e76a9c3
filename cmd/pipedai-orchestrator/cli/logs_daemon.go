package cli

import (
	"context"
	"errors"
	"os"

	"pipedai/internal/cliutil"
	"pipedai/internal/rotate"
)

// showDaemonLog prints the end of the daemon's own log, where it keeps one.
func showDaemonLog(_ context.Context, d *deps, o logsOptions) error {
	if o.follow || len(o.names) > 0 || o.grep != "" || o.since != "" || o.until != "" || o.stream != "" || o.json {
		return cliutil.UsageError("--daemon goes with --tail and --raw only")
	}
	dir, err := d.dir()
	if err != nil {
		return err
	}
	lines, err := rotate.Tail(dir.DaemonLog(), o.tail)
	if errors.Is(err, os.ErrNotExist) {
		return cliutil.Failf(cliutil.ExitFailed, "a daemon under systemd logs to the journal: journalctl --user -u pipedai-orchestrator; "+
			"for one in a terminal: "+d.command("start --log-file"), "the daemon of this host keeps no log file")
	}
	if err != nil {
		return d.explainHome(err)
	}
	for _, l := range lines {
		if !o.raw || d.streams.OutTTY {
			l = cliutil.Printable(l)
		}
		d.printf("%s\n", l)
	}
	return nil
}
