package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/buildinfo"
	"pipedai/internal/cliutil"
)

// upgradeOf is an operation of kind upgrade at some status.
func upgradeOf(status string, info api.UpgradeInfo) api.Operation {
	op := api.Operation{
		ID: "op_1", Kind: "upgrade", WorkerID: "w1", Status: status, Step: "drain", Steps: []string{"check", "drain"},
		StartedAt: api.At(time.Now()), UpdatedAt: api.At(time.Now()), Upgrade: &info,
	}
	if status == "running" {
		op.Message, op.Cancellable = "waiting for run run_7, up to 29m0s more", true
	} else {
		op.EndedAt = api.At(time.Now().Add(4 * time.Second))
	}
	return op
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	signed := api.UpgradeInfo{
		From: "1.2.0", To: "1.3.0", ToPin: "1.3.0", SignedBy: "ab12cd", Channel: "stable", Source: "https://c.example.com", Notes: "Reads PDF 2.0\n\x1b[31mfaster",
	}
	local := api.UpgradeInfo{From: "1.2.0", To: "1.3.0", ToPin: "1.3.0+local", Source: "/opt/new"}
	late, crashed, same := signed, signed, signed
	late.Failure, crashed.Failure, same.Unchanged = api.UpgradeFailedDrain, api.UpgradeFailedCrash, true
	failed := func(info api.UpgradeInfo, text string) api.Operation {
		op := upgradeOf("failed", info)
		op.Error, op.Fix = text, "read what it wrote"
		return op
	}
	for name, tt := range map[string]struct {
		args []string
		end  api.Operation
		code int
		text []string
	}{
		"good":       {[]string{"box"}, upgradeOf("succeeded", signed), 0, []string{"box: 1.2.0 -> 1.3.0\n", "signed with key ab12cd, channel stable", "| Reads PDF 2.0", "box: 1.2.0 -> 1.3.0 in 4s", "To go back: ", "upgrade w1 --rollback"}},
		"local":      {[]string{"box", "--from-local", "new"}, upgradeOf("succeeded", local), 0, []string{"not signed: it is from /opt/new"}},
		"up to date": {[]string{"box"}, upgradeOf("succeeded", same), 0, []string{"box is up to date"}},
		"crashed":    {[]string{"box"}, failed(crashed, "version 1.3.0 does not work for box"), 1, []string{"does not work for box", "read what it wrote"}},
		"drain":      {[]string{"box"}, failed(late, "box was not idle within 5s"), 5, []string{"was not idle"}},
		"cancelled":  {[]string{"box"}, upgradeOf("cancelled", signed), 1, []string{"was cancelled, and taken back"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tm := newTerminal(t)
			routes := selfRoutes(selfOf("running"), workerOf("w1", "box"))
			begun := upgradeOf("running", signed)
			routes["POST /api/workers/w1/upgrade"] = api.UpgradeResult{ID: "w1", Action: "upgrade", OK: true, Operation: &begun}
			routes["GET /api/operations/op_1"] = tt.end
			fakeDaemon(t, tm, buildinfo.Version(), routes)
			r := tm.run(t, append([]string{"upgrade"}, tt.args...)...)
			r.want(t, tt.code, tt.text...)
			if strings.Contains(r.out, "\x1b") {
				t.Errorf("notes reach the terminal as they are: %q", r.out)
			}
			r = tm.run(t, append([]string{"upgrade", "--json"}, tt.args...)...)
			var op api.Operation
			if err := json.Unmarshal([]byte(r.out), &op); err != nil || op.Status != tt.end.Status || r.code != tt.code {
				t.Errorf("%d %v %s%s", r.code, err, r.out, r.err)
			}
		})
	}
}

// Contract 12, row 91: "upgrade --version" printed the program's version.
func TestUpgrade_H91_versionIsAFlagOfIt(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	routes := selfRoutes(selfOf("running"), workerOf("w1", "box"))
	routes["POST /api/workers/w1/upgrade"] = api.UpgradeResult{
		ID: "w1", Action: "upgrade", OK: true, Target: "@pipedai/worker@9.8.7",
		Upgrade: &api.UpgradeInfo{From: "1.0.0", To: "9.8.7", Source: "https://c.example.com"},
	}
	routes["POST /api/workers/upgrade"] = api.UpgradeResult{Action: "upgrade", OK: true, Upgrade: &api.UpgradeInfo{Items: []api.UpgradeItem{
		{WorkerID: "w1", Label: "box", Status: api.UpgradeWaiting, From: "1.0.0", To: "9.8.7"},
		{WorkerID: "w2", Label: "mill", Status: api.UpgradeUnchanged},
		{WorkerID: "w3", Label: "saw", Status: api.UpgradeFailed, Error: "no file for this system"},
	}}}
	fakeDaemon(t, tm, buildinfo.Version(), routes)
	tm.run(t, "upgrade", "box", "--version", "9.8.7", "--dry-run").want(t, 0, "box: 1.0.0 -> 9.8.7", "Nothing was done")
	tm.run(t, "upgrade", "--all", "--version", "9.8.7", "--dry-run").want(t, 0, "1. box: 1.0.0 -> 9.8.7", "2. mill: up to date", "3. saw: cannot be upgraded: no file", "Nothing was done")
}

func TestUpgrade_usage(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	routes := selfRoutes(selfOf("running"), workerOf("w1", "box"))
	routes["POST /api/workers/w1/upgrade"] = &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: "another upgrade is under way on this host", Fix: "wait for it"}
	fakeDaemon(t, tm, buildinfo.Version(), routes)
	for _, args := range [][]string{
		{}, {"box", "--all"}, {"box", "--version", "1.0.0", "--rollback"}, {"box", "--version", "1.0.0", "--from-local", "x"},
		{"--all", "--rollback"}, {"box", "--timeout", "-1s"},
	} {
		tm.run(t, append([]string{"upgrade"}, args...)...).want(t, cliutil.ExitUsage)
	}
	tm.run(t, "upgrade", "nobody").want(t, 1, "no worker has")
	// Case U13: the one that comes second ends with 6.
	tm.run(t, "upgrade", "box").want(t, cliutil.ExitConflict, "another upgrade is under way", "wait for it")
}

// An interrupt has the upgrade taken back, says so, and waits for it.
func TestUpgrade_interrupted(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	routes := selfRoutes(selfOf("running"), workerOf("w1", "box"))
	info := api.UpgradeInfo{From: "1.2.0", To: "1.3.0"}
	begun := upgradeOf("running", info)
	routes["POST /api/workers/w1/upgrade"] = api.UpgradeResult{ID: "w1", OK: true, Operation: &begun}
	var asked atomic.Int32
	var cancelled atomic.Bool
	ctx, interrupt := context.WithCancel(t.Context())
	routes["GET /api/operations/op_1"] = func() any {
		if asked.Add(1) == 2 {
			interrupt()
		}
		if cancelled.Load() {
			return upgradeOf("cancelled", info)
		}
		return begun
	}
	routes["POST /api/operations/op_1/cancel"] = func() any { cancelled.Store(true); return begun }
	fakeDaemon(t, tm, buildinfo.Version(), routes)
	out, errs := &buffer{}, &buffer{}
	r := result{tm.runTo(ctx, out, errs, "upgrade", "box"), out.String(), errs.String()}
	r.want(t, cliutil.ExitInterrupted, "box: waiting for run run_7", "Interrupted: it is being taken back", "the upgrade was taken back")
	if !cancelled.Load() {
		t.Error("nobody asked to cancel")
	}
}
