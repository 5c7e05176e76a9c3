package cli

import (
	"context"
	"os"
	"strings"
	"time"

	"pipedai/internal/cliutil"
)

const (
	// noticeEvery is how often a person is told of a newer version.
	noticeEvery = 24 * time.Hour
	// noticePatience is how long a command that is done may take for it.
	noticePatience = 300 * time.Millisecond
)

// tellOfUpdate says that there is a newer version: to a person at a terminal,
// once a day, after a command that went well and spoke to the daemon anyway.
// The daemon knows it from its control planes; nobody else is asked.
func (d *deps) tellOfUpdate(ctx context.Context, args []string) {
	env := d.streams.Getenv
	if d.spoken == nil || !d.streams.ErrTTY || env("CI") != "" || env("PIPEDAI_NO_UPDATE_NOTIFIER") != "" ||
		len(args) > 0 && strings.HasPrefix(args[0], "__complete") {
		return
	}
	dir, err := d.dir()
	if err != nil {
		return
	}
	if last, err := os.Stat(dir.UpdateNotice()); err == nil && time.Since(last.ModTime()).Abs() < noticeEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noticePatience)
	defer cancel()
	self, err := d.spoken.Self(ctx)
	if err != nil || !self.Stale || self.Latest == nil {
		return
	}
	// What cannot be noted down would be said with every command.
	if os.WriteFile(dir.UpdateNotice(), nil, 0o600) != nil || os.Chtimes(dir.UpdateNotice(), time.Time{}, time.Now()) != nil {
		return
	}
	d.notef("\nVersion %s is out; this host runs %s. Workers keep running while it is upgraded: %s\n",
		cliutil.Printable(*self.Latest), cliutil.Printable(self.Version), d.command("upgrade --self"))
}
