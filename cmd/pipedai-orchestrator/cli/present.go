package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mdp/qrterminal/v3"

	"pipedai/api"
	"pipedai/enroll"
)

// presenter shows a pairing: to a person, or as one JSON object per step.
type presenter struct {
	ctx context.Context // of the command: an interrupt ends a question too
	d   *deps
	o   connectOptions

	mu        sync.Mutex
	countdown chan struct{} // closed to end the line that changes; nil without one
	ended     sync.WaitGroup
}

func newPresenter(ctx context.Context, d *deps, o connectOptions) *presenter {
	return &presenter{ctx: ctx, d: d, o: o}
}

// event prints a step for programs.
func (p *presenter) event(members map[string]any) { p.d.printJSON(members) }

func (p *presenter) begin(apiURL string, facts enroll.Facts) {
	if p.o.json {
		p.event(map[string]any{"event": "connecting", "apiUrl": apiURL, "hostname": facts.Hostname, "os": facts.OS})
		return
	}
	p.d.printf("Connecting %s (%s) to %s\n", facts.Hostname, facts.OS, apiURL)
}

// pairing shows the code, and only then tries a browser.
func (p *presenter) pairing(pairing enroll.Pairing) {
	if off := pairing.ClockOff; off != 0 {
		direction := "ahead"
		if off < 0 {
			direction = "behind"
		}
		p.d.notef("warning: the clock is off by %s: this host is %s. Pairing goes on; certificates may be refused later.\n",
			humanDuration(off.Abs()), direction)
	}
	if p.o.json {
		p.event(map[string]any{
			"event": "pairing", "userCode": pairing.UserCode, "verificationUri": pairing.URL,
			"verificationUriComplete": pairing.CompleteURL, "expiresAt": api.At(pairing.ExpiresAt),
			"intervalSeconds": pairing.Interval.Seconds(),
		})
		return
	}
	p.d.printf("\n  Open   %s\n  Enter  %s\n\n", pairing.URL, p.d.bold(groups(pairing.UserCode)))
	if p.d.drawing() {
		qrterminal.GenerateHalfBlock(pairing.URL, qrterminal.L, p.d.streams.Out)
		p.d.printf("\n")
	}
	p.d.printf("Check that the page shows this very code before you approve.\n")
	if p.d.streams.OutTTY && !p.o.noOpen {
		if address := pairing.CompleteURL; address != "" {
			_ = p.d.open(address) // the URL is on the screen already
		}
	}
	if !p.d.drawing() {
		p.d.printf("Waiting for approval; the code is valid for %s.\n", humanDuration(time.Until(pairing.ExpiresAt)))
		return
	}
	p.count(pairing.ExpiresAt)
}

// count keeps one line up to date until stop.
func (p *presenter) count(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.countdown = make(chan struct{})
	stop := p.countdown
	p.ended.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			p.d.printf("\rWaiting for approval; the code is valid for %s.  ", humanDuration(time.Until(until)))
			select {
			case <-stop:
				p.d.printf("\n")
				return
			case <-tick.C:
			}
		}
	})
}

// stop ends the line that changes. It may be called more than once.
func (p *presenter) stop() {
	p.mu.Lock()
	if p.countdown != nil {
		close(p.countdown)
		p.countdown = nil
	}
	p.mu.Unlock()
	p.ended.Wait()
}

// wait tells why it takes longer; quietly when nothing is wrong.
func (p *presenter) wait(w enroll.Wait) {
	switch {
	case p.o.json:
		p.event(map[string]any{"event": "waiting", "slowDown": w.SlowDown, "problem": w.Problem, "intervalSeconds": w.Interval.Seconds()})
	case w.SlowDown:
		p.d.notef("\nThe control plane asks for patience: trying every %s from now on.\n", w.Interval)
	case w.Problem != "":
		p.d.notef("\nNo usable answer (%s); trying again.\n", w.Problem)
	}
}

// confirm asks whether the control plane may name itself by another host.
// Where nobody can answer the answer is no.
func (p *presenter) confirm(from, to string) bool {
	p.stop()
	if !p.d.streams.InTTY || p.o.json {
		return false
	}
	p.d.printf("%s wants this host to use %s from now on. Type yes to agree: ", from, to)
	answers := make(chan string, 1)
	go func() {
		var answer string
		_, _ = fmt.Fscanln(p.d.streams.In, &answer) // no answer is no
		answers <- answer
	}()
	select {
	case answer := <-answers:
		return strings.EqualFold(answer, "yes")
	case <-p.ctx.Done():
		p.d.printf("\n")
		return false
	}
}

// connected shows the result and what comes next.
func (p *presenter) connected(r enroll.Result, daemonRuns bool) {
	if r.Distrust != nil {
		p.d.notef("warning: connected, but nothing is installed from there: %v\n", r.Distrust)
	}
	if p.o.json {
		p.event(map[string]any{
			"event": "connected", "already": r.Already, "changed": r.Changed, "workerId": r.WorkerID, "label": r.Label,
			"apiUrl": r.APIURL, "workspaceId": r.WorkspaceID, "environmentId": r.EnvironmentID,
			"configPath": r.ConfigPath, "daemonRunning": daemonRuns, "tasks": append([]string{}, r.Tasks...), "missing": p.missing(r),
		})
		return
	}
	if r.Already {
		p.d.printf("Already connected to %s as %s.\n", r.APIURL, r.Label)
		if r.Changed {
			p.d.printf("Its tasks were changed.\n")
		}
	} else {
		p.d.printf("Connected to %s as %s.\n", r.APIURL, r.Label)
	}
	p.d.printf("  worker       %s\n  workspace    %s\n", r.WorkerID, r.WorkspaceID)
	if r.EnvironmentID != "" {
		p.d.printf("  environment  %s\n", r.EnvironmentID)
	}
	p.d.printf("  file         %s\n", r.ConfigPath)
	if lines := p.missing(r); len(lines) > 0 {
		p.d.printf("\n%s\n", strings.Join(lines, "\n"))
	}
	if daemonRuns {
		p.d.printf("\nThe running daemon is starting its worker.\nNext: %s\n", p.d.command("dashboard --open"))
	}
}

// groups shows a code in two halves, as it is easiest to compare.
func groups(code string) string {
	if len(code) == 8 && !strings.Contains(code, "-") {
		return code[:4] + "-" + code[4:]
	}
	return code
}
