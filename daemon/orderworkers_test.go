//go:build unix

package daemon

import (
	"strings"
	"testing"

	"pipedai/api"
)

func upgradeOrder(id, version string) api.HostOrder {
	return api.HostOrder{ID: id, RolloutID: "roll_1", Kind: api.OrderUpgradeWorkers, Program: api.ProgramWorker, Version: version}
}

// ended waits for the last word about an order.
func (d *desk) ended(t *testing.T, id string) api.OrderReport {
	t.Helper()
	until(t, "the end of "+id+" is reported", func() bool { r := d.last(id); return r.Ended() })
	return d.last(id)
}

// workersOf says what became of each worker.
func workersOf(r api.OrderReport) string {
	var out []string
	for _, w := range r.Workers {
		out = append(out, w.WorkerID+" "+w.FromVersion+">"+w.Version+" "+w.Status)
	}
	return strings.Join(out, ", ")
}

// An order upgrades the workers of the control plane that gave it, says how far
// it is, and can be taken back by another one.
func TestOrders_upgradeWorkersAndBack(t *testing.T) {
	t.Parallel()
	var desk *desk
	h := newUpgradeHostAt(t, func(p *plane) { desk = p.desk() }, nil, "w1", "w2")
	h.p.run("w2", "trun_1")
	desk.tell(upgradeOrder("ord_1", "1.2.0"))
	until(t, "the busy one is reported to drain", func() bool {
		r := desk.last("ord_1")
		return r.Step == "drain" && strings.HasPrefix(r.Message, "label-w2: ")
	})
	if r := desk.last("ord_1"); workersOf(r) != "w1 1.0.0>1.2.0 upgraded, w2 1.0.0>1.2.0 running" || r.Status != api.OrderRunning {
		t.Errorf("meanwhile %+v", r)
	}
	h.p.run("w2", "")
	if r := desk.ended(t, "ord_1"); r.Status != api.OrderSucceeded || workersOf(r) != "w1 1.0.0>1.2.0 upgraded, w2 1.0.0>1.2.0 upgraded" {
		t.Errorf("report %+v", r)
	}
	h.as(t, "w1", "1.2.0", true, true)
	h.as(t, "w2", "1.2.0", true, true)

	back := upgradeOrder("ord_2", "1.0.0")
	back.Options.AllowDowngrade = true
	desk.tell(back)
	if r := desk.ended(t, "ord_2"); r.Status != api.OrderSucceeded {
		t.Errorf("report %+v", r)
	}
	h.as(t, "w1", "", true, true)
	h.as(t, "w2", "", true, true)
}

func TestOrders_upgradeRefusedOrFailed(t *testing.T) {
	t.Parallel()
	var desk *desk
	h := newUpgradeHostAt(t, func(p *plane) { desk = p.desk() }, nil, "w1")
	desk.tell(upgradeOrder("ord_1", "1.3.0-dies"))
	if r := desk.ended(t, "ord_1"); r.Status != api.OrderFailed || r.Error == "" || workersOf(r) != "w1 1.0.0>1.3.0-dies failed" {
		t.Errorf("report %+v", r)
	}
	h.as(t, "w1", "", true, true)

	// It is not tried again by itself, but when a person wants it.
	desk.tell(upgradeOrder("ord_2", "1.3.0-dies"))
	if r := desk.ended(t, "ord_2"); r.Status != api.OrderRefused || !strings.Contains(r.Error, "is not tried again by itself") {
		t.Errorf("report %+v", r)
	}
	again := upgradeOrder("ord_3", "1.3.0-dies")
	again.Options.Retry = true
	desk.tell(again)
	if r := desk.ended(t, "ord_3"); r.Status != api.OrderFailed {
		t.Errorf("report %+v", r)
	}
	h.as(t, "w1", "", true, true)

	// U5: a control plane takes nobody to an older version that did not run here.
	down := upgradeOrder("ord_4", "0.9.0")
	down.Options.AllowDowngrade = true
	desk.tell(down)
	if r := desk.ended(t, "ord_4"); r.Status != api.OrderRefused || !strings.Contains(r.Error, "no other older version") {
		t.Errorf("report %+v", r)
	}
	other := upgradeOrder("ord_5", "1.2.0")
	other.Program = "something-else"
	desk.tell(other)
	if r := desk.ended(t, "ord_5"); r.Status != api.OrderRefused {
		t.Errorf("report %+v", r)
	}
}

// An order is taken back while its worker drains: nothing was changed.
func TestOrders_upgradeWithdrawn(t *testing.T) {
	t.Parallel()
	var desk *desk
	h := newUpgradeHostAt(t, func(p *plane) { desk = p.desk() }, nil, "w1")
	h.p.run("w1", "trun_1")
	o := upgradeOrder("ord_1", "1.2.0")
	desk.tell(o)
	until(t, "it drains", func() bool { return desk.last("ord_1").Step == "drain" })
	o.Withdrawn = true
	desk.tell(o)
	if r := desk.ended(t, "ord_1"); r.Status != api.OrderWithdrawn {
		t.Errorf("report %+v", r)
	}
	h.p.run("w1", "")
	h.as(t, "w1", "", true, true)
}
