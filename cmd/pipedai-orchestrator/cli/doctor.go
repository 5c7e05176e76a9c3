package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/daemon"
	"pipedai/daemon/connectivity"
	"pipedai/enroll"
	"pipedai/internal/cliutil"
)

// doctorReport is what connectivity --check --json prints. Members are added,
// never renamed.
type doctorReport api.ConnectivityReport

// What is looked at besides control planes.
const (
	targetDaemon = "daemon"
	checkSocket  = "websocket"
)

// planesToCheck lists what to look at: the URLs that were named, or every
// control plane and workspace of this host's workers and credentials.
func (d *deps) planesToCheck(ctx context.Context, named []string) ([]connectivity.Plane, error) {
	dir, err := d.dir()
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, raw := range named {
		base, err := enroll.NormalizeURL(raw)
		if err != nil {
			return nil, cliutil.Fail(cliutil.ExitUsage, err, "give it with --api-url")
		}
		wanted[base] = true
	}
	entries, err := entriesHere(ctx, dir)
	if err != nil {
		return nil, d.explainHome(err)
	}
	d.protectCredentials(dir)
	creds, credsErr := enroll.LoadCredentials(dir.Credentials())
	if errors.Is(credsErr, enroll.ErrNoCredentials) {
		credsErr = nil
	}

	planes := daemon.PlanesToCheck(daemon.Checked{
		Entries: entries, Credentials: creds, CredentialsErr: credsErr, Wanted: wanted,
		Connect: func(url string) string { return d.command(connectOptions{}.again(url)) }, Command: d.command,
	})
	if len(planes) == 0 {
		return nil, cliutil.Failf(cliutil.ExitUsage, "name one: "+d.command("connectivity --check --api-url <url>"),
			"this host has no control plane to check")
	}
	return planes, nil
}

// examine looks at all control planes at the same time, and at the daemon.
func (d *deps) examine(ctx context.Context, planes []connectivity.Plane) doctorReport {
	examiner := connectivity.Examiner{Proxy: d.proxy, Roots: d.roots, GOOS: runtime.GOOS}
	var socket connectivity.Check
	var all sync.WaitGroup
	all.Go(func() { socket = d.examineDaemon(ctx) })
	report := doctorReport(examiner.ExamineAll(ctx, planes))
	all.Wait()
	report.OK = report.OK && !socket.Failed()
	report.Checks = append(report.Checks, socket)
	return report
}

// examineDaemon opens the event stream that the dashboard and logs -f live on:
// software that guards this machine may cut WebSockets even on loopback.
func (d *deps) examineDaemon(ctx context.Context) connectivity.Check {
	c := connectivity.Check{Target: targetDaemon, Name: checkSocket}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	local, err := d.daemon(ctx)
	if errors.Is(err, daemon.ErrNoInfo) {
		c.Skipped, c.Message, c.Command = true, "the daemon does not run", d.command("start")
		return c
	}
	if err != nil {
		_, text, fix := cliutil.Explain(err)
		c.Message, c.Fix = "the daemon cannot be asked: "+text, fix
		return c
	}
	if !local.ready {
		c.Skipped, c.Message = true, "the daemon is only just starting"
		return c
	}
	began := time.Now()
	streaming, stop := context.WithCancel(ctx)
	defer stop()
	opened := false
	err = local.Events(streaming, 0, func(api.LocalFrame) {
		opened = true
		stop()
	})
	if opened {
		latency := time.Since(began).Milliseconds()
		c.OK, c.LatencyMs, c.Message = true, &latency, "the event stream at "+local.base()+" opens"
		return c
	}
	c.Message = fmt.Sprintf("the event stream at %s does not open: %v", local.base(), err)
	c.Fix, c.Command = "software that guards this machine may cut WebSockets; start the daemon again if it is another version", d.command("start")
	return c
}

func (r doctorReport) print(d *deps) {
	target, failed := "", 0
	for _, c := range r.Checks {
		if c.Target != target {
			if target != "" {
				d.printf("\n")
			}
			target = c.Target
			d.printf("%s\n", cliutil.Printable(target))
		}
		word := "ok"
		switch {
		case c.Skipped:
			word = "-"
		case !c.OK:
			word = "failed"
			failed++
		}
		timing := ""
		if c.LatencyMs != nil && c.Name != connectivity.CheckLatency {
			timing = fmt.Sprintf(" (%d ms)", *c.LatencyMs)
		}
		d.printf("  %-7s %-10s %s%s\n", word, c.Name, cliutil.Printable(c.Message), timing)
		if c.Fix != "" {
			d.printf("%21sfix: %s\n", "", cliutil.Printable(c.Fix))
		}
		if c.Command != "" {
			d.printf("%21srun: %s\n", "", c.Command)
		}
	}
	if failed == 0 {
		d.printf("\nAll is well.\n")
	} else {
		d.printf("\n%d check(s) failed.\n", failed)
	}
}
