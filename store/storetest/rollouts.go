package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"pipedai/rollout"
	"pipedai/store"
)

var rolloutCases = []testCase{
	{name: "life", run: rolloutLife},
	{name: "one at a time", run: rolloutOneAtATime},
	{name: "reports", run: rolloutReports},
	{name: "steered", run: rolloutSteered},
	{name: "deadline", run: rolloutDeadline},
	{name: "revoked host", run: rolloutRevoked},
	{name: "busy host", run: rolloutBusy},
	{name: "races", run: rolloutRaces},
}

// fleet makes n hosts h00, h01, ... that check in now, unless they are away.
func (f *fixture) fleet(n int, away ...int) []store.Host {
	f.Helper()
	var out []store.Host
	for i := range n {
		name := fmt.Sprintf("h%02d", i)
		w, err := f.redeem(f.enroll("code", "fleet-"+name), name)
		f.must(err)
		if slices.Contains(away, i) {
			out = append(out, f.hostOf(name))
			continue
		}
		out = append(out, f.checkIn(w.ID))
	}
	return out
}

func (f *fixture) checkIn(w store.WorkerID) store.Host {
	f.Helper()
	h, err := f.CheckInHost(f.ctx, store.CheckInHost{Worker: w, OS: "linux", Arch: "amd64", Version: "1.0.0"})
	f.must(err)
	if open := len(f.ordersOf(h.Host)) > 0; h.Ordered != open {
		f.Errorf("a check-in says that there are orders: %v", h.Ordered)
	}
	return h.Host
}

func startOf(hosts []store.Host, l rollout.Limits) store.StartRollout {
	p := store.StartRollout{
		Workspace: hosts[0].Workspace, Program: "pipedai-worker", Version: "2.0.0", Channel: "stable", Kind: store.RolloutUpgrade,
		Limits: l, ForceAfter: time.Minute, Note: "to the newest", By: "ann",
	}
	if p.HostDeadline == 0 {
		p.HostDeadline = time.Hour
	}
	for _, h := range hosts {
		p.Targets = append(p.Targets, store.StartTarget{Host: h.ID, Version: "2.0.0", From: []store.RolloutWorker{{Worker: "w", Name: h.Name, From: "1.0.0"}}})
	}
	return p
}

func (f *fixture) rollOut(hosts []store.Host, l rollout.Limits) store.Rollout {
	f.Helper()
	r, err := f.StartRollout(f.ctx, startOf(hosts, l))
	f.must(err)
	return r
}

// wantTargets compares the states of the targets.
func (f *fixture) wantTargets(id store.RolloutID, status rollout.Status, want ...rollout.State) []store.RolloutTarget {
	f.Helper()
	r, err := f.Rollout(f.ctx, id)
	f.must(err)
	targets, err := f.RolloutTargets(f.ctx, id)
	f.must(err)
	var got []rollout.State
	plain := []rollout.Target{}
	for _, t := range targets {
		got = append(got, t.State)
		plain = append(plain, t.Target)
	}
	if r.Status != status || !slices.Equal(got, want) {
		f.Fatalf("status %s (%s), states %v; want %s, %v", r.Status, r.Reason, got, status, want)
	}
	if sum := rollout.Count(plain); r.Counts != sum {
		f.Errorf("counts %+v, the targets make %+v", r.Counts, sum)
	}
	return targets
}

func (f *fixture) ordersOf(h store.Host) []store.HostOrder {
	f.Helper()
	got, err := f.HostOrders(f.ctx, h.ID)
	f.must(err)
	return got
}

func (f *fixture) report(h store.Host, w rollout.Word, why string) []store.Rollout {
	f.Helper()
	orders := f.ordersOf(h)
	if len(orders) == 0 {
		f.Fatalf("%s has no order to say %s about", h.Name, w)
	}
	got, err := f.TakeReports(f.ctx, h.ID, []store.OrderReport{{ID: orders[0].ID, Word: w, Error: why}})
	f.must(err)
	return got
}

func rolloutLife(f *fixture) {
	hosts := f.fleet(3, 2)
	before, err := f.HostNews(f.ctx, []store.HostID{hosts[0].ID, hosts[1].ID})
	f.must(err)
	r := f.rollOut(hosts, rollout.Limits{Canary: 1, MaxUnavailable: 2, MaxFailures: 1})
	if r.ID == "" || r.Status != rollout.Running || r.Version != "2.0.0" || r.Channel != "stable" || r.CreatedBy != "ann" || r.Note != "to the newest" ||
		r.ForceAfter != time.Minute || r.HostDeadline != time.Hour || r.CreatedAt.IsZero() || !r.EndedAt.IsZero() {
		f.Errorf("rollout %+v", r)
	}
	targets := f.wantTargets(r.ID, rollout.Running, rollout.Ordered, rollout.Waiting, rollout.Waiting)
	if x := targets[0]; x.Host != "h00" || x.ID != hosts[0].ID || x.Version != "2.0.0" || len(x.From) != 1 || x.From[0].From != "1.0.0" || !x.Canary ||
		!x.Online || x.Order == "" || x.Attempts != 1 || x.OrderedAt.IsZero() || !x.Deadline.Equal(x.OrderedAt.Add(time.Hour)) {
		f.Errorf("canary %+v", x)
	}
	if x := targets[2]; x.Online || !x.LastSeenAt.IsZero() {
		f.Errorf("host that is away %+v", x)
	}
	after, err := f.HostNews(f.ctx, []store.HostID{hosts[0].ID, hosts[1].ID})
	f.must(err)
	if after[hosts[0].ID] <= before[hosts[0].ID] || after[hosts[1].ID] != before[hosts[1].ID] {
		f.Errorf("news %v, then %v: only the host with the order has some", before, after)
	}
	order := f.ordersOf(hosts[0])
	if len(order) != 1 || order[0].ID != targets[0].Order || order[0].Rollout != r.ID || order[0].Kind != store.RolloutUpgrade || order[0].Program != "pipedai-worker" ||
		order[0].Version != "2.0.0" || order[0].Channel != "stable" || order[0].ForceAfter != time.Minute || order[0].Deadline != time.Hour || order[0].Withdrawn || order[0].Again || order[0].OrderedAt.IsZero() {
		f.Errorf("orders %+v", order)
	}
	if got := f.ordersOf(hosts[1]); len(got) != 0 {
		f.Errorf("orders of a host whose turn it is not: %+v", got)
	}
	workers, err := f.Workers(f.ctx, hosts[0].Workspace)
	f.must(err)
	f.checkIn(workers[0].ID)
	if moved := f.report(hosts[0], rollout.SaysSucceeded, ""); len(moved) != 1 || moved[0].ID != r.ID {
		f.Errorf("moved %+v", moved)
	}
	f.wantTargets(r.ID, rollout.Running, rollout.Done, rollout.Ordered, rollout.Waiting)
	if got := f.ordersOf(hosts[0]); len(got) != 0 {
		f.Errorf("orders after the end: %+v", got)
	}
	f.report(hosts[1], rollout.SaysSucceeded, "")
	// The host that was away comes back.
	workers, err = f.Workers(f.ctx, hosts[2].Workspace)
	f.must(err)
	f.checkIn(workers[2].ID)
	moved, err := f.AdvanceRollouts(f.ctx)
	f.must(err)
	if len(moved) != 1 || moved[0].ID != r.ID {
		f.Errorf("advanced %+v", moved)
	}
	f.report(hosts[2], rollout.SaysSucceeded, "")
	f.wantTargets(r.ID, rollout.Succeeded, rollout.Done, rollout.Done, rollout.Done)
	ended, err := f.Rollout(f.ctx, r.ID)
	f.must(err)
	if ended.EndedAt.IsZero() || ended.Counts.Succeeded != 3 {
		f.Errorf("ended %+v", ended)
	}
	if moved, err := f.AdvanceRollouts(f.ctx); err != nil || len(moved) != 0 {
		f.Errorf("advanced after the end: %+v, %v", moved, err)
	}
	_, err = f.Rollout(f.ctx, "none")
	f.wantErr(err, store.ErrNotFound)
}

func rolloutOneAtATime(f *fixture) {
	hosts := f.fleet(2)
	first := f.rollOut(hosts[:1], rollout.Limits{MaxUnavailable: 1})
	got, err := f.StartRollout(f.ctx, startOf(hosts[1:], rollout.Limits{MaxUnavailable: 1}))
	f.wantErr(err, store.ErrConflict)
	if got.ID != first.ID {
		f.Errorf("the one in the way is %+v", got)
	}
	other := startOf(hosts[1:], rollout.Limits{MaxUnavailable: 1})
	other.Program = "pipedai-orchestrator"
	second, err := f.StartRollout(f.ctx, other)
	f.must(err)
	f.report(hosts[0], rollout.SaysSucceeded, "")
	third := f.rollOut(hosts[:1], rollout.Limits{MaxUnavailable: 1})
	all, err := f.Rollouts(f.ctx, hosts[0].Workspace, 10)
	f.must(err)
	if len(all) != 3 || all[0].ID != third.ID || all[1].ID != second.ID || all[2].ID != first.ID || all[2].Counts.Succeeded != 1 || all[0].Counts.Out != 1 {
		f.Errorf("list %+v", all)
	}
	if some, err := f.Rollouts(f.ctx, hosts[0].Workspace, 1); err != nil || len(some) != 1 {
		f.Errorf("newest %+v, %v", some, err)
	}

	// Several operators at once: one begins.
	f.report(hosts[0], rollout.SaysSucceeded, "")
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[store.RolloutID]bool{}
	for range 4 {
		wg.Go(func() {
			r, err := f.StartRollout(f.ctx, startOf(hosts[:1], rollout.Limits{MaxUnavailable: 1}))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won[r.ID] = true
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		f.Errorf("%d rollouts of one program began at once", len(won))
	}
}

func rolloutReports(f *fixture) {
	hosts := f.fleet(2)
	r := f.rollOut(hosts, rollout.Limits{MaxUnavailable: 2, MaxFailures: 1})
	order := f.ordersOf(hosts[0])[0]
	workers := []store.RolloutWorker{{Worker: "wrk_1", From: "1.0.0", Version: "2.0.0", Status: "draining"}}
	say := func(h store.Host, p store.OrderReport) []store.Rollout {
		f.Helper()
		p.ID = order.ID
		moved, err := f.TakeReports(f.ctx, h.ID, []store.OrderReport{p})
		f.must(err)
		return moved
	}
	say(hosts[0], store.OrderReport{Word: rollout.SaysRunning, Step: "drain", Message: "2 runs left", Progress: 30, Workers: workers})
	x := f.wantTargets(r.ID, rollout.Running, rollout.Underway, rollout.Ordered)[0]
	if x.Step != "drain" || x.Message != "2 runs left" || x.Progress != 30 || len(x.Workers) != 1 || x.Workers[0] != workers[0] || x.ReportedAt.IsZero() {
		f.Errorf("under way %+v", x)
	}
	// Nobody speaks for another host, and an order nobody gave is nothing.
	if moved := say(hosts[1], store.OrderReport{Word: rollout.SaysFailed}); len(moved) != 0 {
		f.Errorf("moved by another host: %+v", moved)
	}
	if moved, err := f.TakeReports(f.ctx, hosts[0].ID, []store.OrderReport{{ID: "ord_none", Word: rollout.SaysFailed}}); err != nil || len(moved) != 0 {
		f.Errorf("an order that is none: %+v, %v", moved, err)
	}
	_, err := f.TakeReports(f.ctx, "host_none", []store.OrderReport{{ID: order.ID, Word: rollout.SaysFailed}})
	f.wantErr(err, store.ErrNotFound)
	say(hosts[0], store.OrderReport{Word: rollout.SaysSucceeded, Message: "done", Progress: 100})
	for _, late := range rollout.Words {
		if moved := say(hosts[0], store.OrderReport{Word: late, Step: "late", Message: "late", Error: "late"}); len(moved) != 0 {
			f.Errorf("a late %s moved %+v", late, moved)
		}
	}
	x = f.wantTargets(r.ID, rollout.Running, rollout.Done, rollout.Ordered)[0]
	if x.Message != "done" || x.Step != "" || x.Error != "" || !x.Settled || x.EndedAt.IsZero() {
		f.Errorf("after late words %+v", x)
	}
	// The last word counts when it comes with others.
	order = f.ordersOf(hosts[1])[0]
	moved, err := f.TakeReports(f.ctx, hosts[1].ID, []store.OrderReport{
		{ID: order.ID, Word: rollout.SaysRunning}, {ID: order.ID, Word: rollout.SaysFailed, Error: "it hangs"}, {ID: order.ID, Word: rollout.SaysRunning},
	})
	f.must(err)
	x = f.wantTargets(r.ID, rollout.Succeeded, rollout.Done, rollout.Broken)[1]
	if len(moved) != 1 || x.Error != "it hangs" || moved[0].Reason != "1 host failed: h01" {
		f.Errorf("moved %+v, target %+v", moved, x)
	}
}

func (f *fixture) steer(id store.RolloutID, verb store.RolloutVerb) store.Rollout {
	f.Helper()
	r, err := f.SteerRollout(f.ctx, store.SteerRollout{ID: id, Verb: verb, Why: "ann said so"})
	f.must(err)
	return r
}

func rolloutSteered(f *fixture) {
	hosts := f.fleet(4)
	r := f.rollOut(hosts, rollout.Limits{MaxUnavailable: 1})
	if got := f.steer(r.ID, store.RolloutPause); got.Status != rollout.Paused || got.Reason != "ann said so" {
		f.Errorf("paused %+v", got)
	}
	got, err := f.SteerRollout(f.ctx, store.SteerRollout{ID: r.ID, Verb: store.RolloutPause})
	f.wantErr(err, store.ErrConflict)
	if got.ID != r.ID || got.Status != rollout.Paused {
		f.Errorf("paused twice: %+v", got)
	}
	f.report(hosts[0], rollout.SaysSucceeded, "") // what is out goes on
	f.wantTargets(r.ID, rollout.Paused, rollout.Done, rollout.Waiting, rollout.Waiting, rollout.Waiting)
	f.steer(r.ID, store.RolloutResume)
	f.report(hosts[1], rollout.SaysFailed, "boom")
	f.wantTargets(r.ID, rollout.Paused, rollout.Done, rollout.Broken, rollout.Waiting, rollout.Waiting)
	if got := f.steer(r.ID, store.RolloutRetry); got.Status != rollout.Running || got.Reason != "" {
		f.Errorf("resumed %+v", got)
	}
	x := f.wantTargets(r.ID, rollout.Running, rollout.Done, rollout.Ordered, rollout.Waiting, rollout.Waiting)[1]
	if x.Attempts != 2 || x.Error != "" || x.Forgiven {
		f.Errorf("tried again %+v", x)
	}
	if order := f.ordersOf(hosts[1]); len(order) != 1 || !order[0].Again {
		f.Errorf("the order after it was tried again: %+v", order)
	}
	if got := f.steer(r.ID, store.RolloutAbort); got.Status != rollout.Aborting {
		f.Errorf("aborted %+v", got)
	}
	f.wantTargets(r.ID, rollout.Aborting, rollout.Done, rollout.Withdrawing, rollout.Withdrawn, rollout.Withdrawn)
	order := f.ordersOf(hosts[1])
	if len(order) != 1 || !order[0].Withdrawn {
		f.Errorf("orders %+v", order)
	}
	// Another one may begin; the host that has not answered waits.
	next := f.rollOut(hosts[1:3], rollout.Limits{MaxUnavailable: 2})
	f.wantTargets(next.ID, rollout.Running, rollout.Waiting, rollout.Ordered)
	f.report(hosts[1], rollout.SaysCancelled, "")
	f.wantTargets(r.ID, rollout.Aborted, rollout.Done, rollout.Withdrawn, rollout.Withdrawn, rollout.Withdrawn)
	f.must1(f.AdvanceRollouts(f.ctx))
	f.wantTargets(next.ID, rollout.Running, rollout.Ordered, rollout.Ordered)

	// One that failed is tried again, unless another one is under way.
	f.report(hosts[1], rollout.SaysFailed, "")
	f.report(hosts[2], rollout.SaysFailed, "")
	f.wantTargets(next.ID, rollout.Failed, rollout.Broken, rollout.Broken)
	_, err = f.SteerRollout(f.ctx, store.SteerRollout{ID: next.ID, Verb: store.RolloutResume})
	f.wantErr(err, store.ErrConflict)
	third := f.rollOut(hosts[3:], rollout.Limits{MaxUnavailable: 1})
	_, err = f.SteerRollout(f.ctx, store.SteerRollout{ID: next.ID, Verb: store.RolloutRetry})
	f.wantErr(err, store.ErrConflict)
	f.report(hosts[3], rollout.SaysSucceeded, "")
	f.wantTargets(third.ID, rollout.Succeeded, rollout.Done)
	f.steer(next.ID, store.RolloutRetry)
	f.wantTargets(next.ID, rollout.Running, rollout.Ordered, rollout.Ordered)
	_, err = f.SteerRollout(f.ctx, store.SteerRollout{ID: "none", Verb: store.RolloutAbort})
	f.wantErr(err, store.ErrNotFound)
}

func rolloutDeadline(f *fixture) {
	hosts := f.fleet(2)
	p := startOf(hosts, rollout.Limits{MaxUnavailable: 1, MaxFailures: 1, HostDeadline: time.Millisecond})
	r, err := f.StartRollout(f.ctx, p)
	f.must(err)
	until := time.Now().Add(10 * time.Second)
	for {
		moved, err := f.AdvanceRollouts(f.ctx)
		f.must(err)
		if len(moved) > 0 {
			break
		}
		if time.Now().After(until) {
			f.Fatal("the deadline passed and nothing happened")
		}
	}
	x := f.wantTargets(r.ID, rollout.Running, rollout.Overdue, rollout.Waiting)[0]
	if x.Error == "" || x.EndedAt.IsZero() {
		f.Errorf("overdue %+v", x)
	}
	if order := f.ordersOf(hosts[0]); len(order) != 1 || !order[0].Withdrawn {
		f.Errorf("orders %+v", order)
	}
	f.report(hosts[0], rollout.SaysSucceeded, "") // late, and true
	f.wantTargets(r.ID, rollout.Running, rollout.Done, rollout.Ordered)
}

func rolloutRevoked(f *fixture) {
	hosts := f.fleet(2)
	r := f.rollOut(hosts, rollout.Limits{MaxUnavailable: 1})
	f.must1(f.RevokeHost(f.ctx, hosts[0].ID, "ann"))
	moved, err := f.AdvanceRollouts(f.ctx)
	f.must(err)
	if len(moved) != 1 {
		f.Errorf("moved %+v", moved)
	}
	f.wantTargets(r.ID, rollout.Running, rollout.Skipped, rollout.Ordered)
	if order := f.ordersOf(hosts[0]); len(order) != 0 {
		f.Errorf("orders of a host that was revoked: %+v", order)
	}
}

func rolloutBusy(f *fixture) {
	hosts := f.fleet(2)
	f.rollOut(hosts, rollout.Limits{MaxUnavailable: 1})
	p := startOf(hosts, rollout.Limits{MaxUnavailable: 2})
	p.Program = "pipedai-orchestrator"
	other, err := f.StartRollout(f.ctx, p)
	f.must(err)
	f.wantTargets(other.ID, rollout.Running, rollout.Waiting, rollout.Ordered)
}

// However many take steps at once, from however many replicas, no limit is
// passed and the rollout ends.
func rolloutRaces(f *fixture) {
	const n, limit = 8, 2
	hosts := f.fleet(n)
	r := f.rollOut(hosts, rollout.Limits{Canary: 1, MaxUnavailable: limit, MaxFailures: n})
	var wg sync.WaitGroup
	fail := func(err error) bool {
		if err != nil {
			f.Error(err)
		}
		return err != nil
	}
	over := make(chan struct{})
	for i, h := range hosts {
		wg.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				orders, err := f.HostOrders(f.ctx, h.ID)
				if fail(err) {
					return
				}
				for _, o := range orders {
					word := rollout.SaysSucceeded
					if i == n-1 {
						word = rollout.SaysFailed
					}
					for _, w := range []rollout.Word{rollout.SaysRunning, word, rollout.SaysRunning} {
						if _, err := f.TakeReports(f.ctx, h.ID, []store.OrderReport{{ID: o.ID, Word: w}}); fail(err) {
							return
						}
					}
				}
			}
		})
	}
	for until := time.Now().Add(30 * time.Second); ; {
		if _, err := f.AdvanceRollouts(f.ctx); fail(err) {
			break
		}
		got, err := f.Rollout(f.ctx, r.ID)
		if fail(err) {
			break
		}
		if got.Counts.Out > limit {
			f.Errorf("%d out at once, %d allowed", got.Counts.Out, limit)
		}
		if got.Status.Ended() {
			break
		}
		if time.Now().After(until) {
			f.Errorf("it did not end: %+v", got)
			break
		}
	}
	close(over)
	wg.Wait()
	got, err := f.Rollout(f.ctx, r.ID)
	f.must(err)
	if got.Status != rollout.Succeeded || got.Counts.Succeeded != n-1 || got.Counts.Failed != 1 {
		f.Errorf("ended as %+v", got)
	}
}
