package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/manifest"
)

// ordersVar has a daemon that a test spawns carry out orders of the kind
// "test".
const ordersVar = "PIPEDAI_TEST_ORDERS"

// withTestOrders adds a kind of orders that drains until there is a file "go",
// then writes the order's id into the file "did", once for each time it is
// carried out; or fails, if there is a file "broken".
func withTestOrders(o Options) Options {
	file := func(name string) string { return filepath.Join(o.Dir.Home(), name) }
	there := func(name string) bool { _, err := os.Stat(file(name)); return err == nil }
	o.opKinds = []opKind{{"test-order", []opStep{
		{name: "drain", does: "draining", do: func(ctx context.Context, op *operation) error {
			op.say("1 run left")
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for !there("go") {
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-tick.C:
				}
			}
			return nil
		}},
		{name: "work", does: "working", final: true, do: func(_ context.Context, op *operation) error {
			if there("broken") {
				return errors.New("it is broken")
			}
			did, _ := os.ReadFile(file("did"))
			if slices.Contains(strings.Fields(string(did)), op.record().ID) {
				return nil // the step was cut short after it
			}
			return os.WriteFile(file("did"), append(did, (op.record().ID+"\n")...), 0o600)
		}},
	}}}
	o.orderKinds = map[string]orderKind{"test": {
		capability: "test",
		begin: func(ctx context.Context, h *host, order api.HostOrder, link remote.Link) error {
			if order.Version == "0.0.0" {
				return &api.Error{Status: 422, Code: api.CodeDowngrade, Message: "0.0.0 is older"}
			}
			_, err := h.operations.beginAs(ctx, order.ID, "test-order", "", orderedBy(order, link), order, "")
			return err
		},
	}}
	return o
}

// desk is a control plane's side of check-ins: it keeps orders open until their
// end is reported.
type desk struct {
	mu      sync.Mutex
	open    []api.HostOrder
	reports map[string][]api.OrderReport
	deaf    bool // it does not keep what it hears
	able    []string
	change  chan struct{} // closed when there is something new
}

func (p *plane) desk() *desk {
	d := &desk{reports: map[string][]api.OrderReport{}, change: make(chan struct{})}
	next := p.Config.Handler
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/hosts/self/checkin" {
			next.ServeHTTP(w, r)
			return
		}
		var req api.CheckInRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, `{"error":"bad"}`, http.StatusBadRequest)
			return
		}
		out, ok := d.checkIn(r.Context(), req)
		if !ok {
			http.Error(w, `{"error":"down"}`, http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	})
	return d
}

func (d *desk) checkIn(ctx context.Context, req api.CheckInRequest) (api.CheckInResponse, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.deaf {
		return api.CheckInResponse{}, false
	}
	d.able = req.Facts.Capabilities
	out := api.CheckInResponse{HostID: "host_1"}
	for _, r := range req.Reports {
		// A check-in that was interrupted may be heard after the one that followed
		// it; as in a real control plane, a word after the last changes nothing.
		if all := d.reports[r.ID]; len(all) > 0 && all[len(all)-1].Ended() && !r.Ended() {
			continue
		}
		d.reports[r.ID] = append(d.reports[r.ID], r)
		if r.Ended() {
			out.Acknowledged = append(out.Acknowledged, r.ID)
			d.open = slices.DeleteFunc(d.open, func(o api.HostOrder) bool { return o.ID == r.ID })
		}
	}
	for len(req.Reports) == 0 && !slices.ContainsFunc(d.open, func(o api.HostOrder) bool { return !slices.Contains(req.Known, o.Key()) }) {
		change := d.change
		d.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
		case <-time.After(time.Duration(req.WaitMs) * time.Millisecond):
		}
		d.mu.Lock()
		if ctx.Err() != nil {
			return out, false
		}
	}
	out.Orders = slices.Clone(d.open)
	out.ServerTime = api.At(time.Now())
	return out, true
}

// tell gives an order, or changes one.
func (d *desk) tell(o api.HostOrder) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = slices.DeleteFunc(d.open, func(have api.HostOrder) bool { return have.ID == o.ID })
	d.open = append(d.open, o)
	close(d.change)
	d.change = make(chan struct{})
}

func (d *desk) setDeaf(deaf bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deaf = deaf
}

// last is the newest report of an order; a zero one when there is none.
func (d *desk) last(id string) api.OrderReport {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.reports[id]
	if len(all) == 0 {
		return api.OrderReport{}
	}
	return all[len(all)-1]
}

func order(id string) api.HostOrder {
	return api.HostOrder{ID: id, RolloutID: "roll_1", Kind: "test", Program: "p", Version: "1.0.0"}
}

// put makes a file in the home of a host.
func put(t *testing.T, o Options, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(o.Dir.Home(), name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// did lists the orders that were carried out.
func did(o Options) string {
	data, _ := os.ReadFile(filepath.Join(o.Dir.Home(), "did"))
	return strings.Join(strings.Fields(string(data)), " ")
}

func TestOrders_carriedOutAndReported(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	desk := p.desk()
	o := withTestOrders(testOptions(newHome(t, p.URL, "w1")))
	d := startDaemon(t, o)
	desk.tell(order("ord_1"))
	until(t, "it is reported to drain", func() bool { return desk.last("ord_1").Message == "1 run left" })
	if r := desk.last("ord_1"); r.Status != api.OrderRunning || r.Step != "drain" {
		t.Errorf("report %+v", r)
	}
	op, err := d.Operation(t.Context(), "ord_1")
	noError(t, err)
	if op.Kind != "test-order" || op.AskedBy != "rollout roll_1 of "+p.URL {
		t.Errorf("operation %+v", op)
	}
	desk.mu.Lock()
	if !slices.Contains(desk.able, "test") {
		t.Errorf("capabilities %q", desk.able)
	}
	desk.mu.Unlock()
	put(t, o, "go")
	until(t, "its end is reported", func() bool { return desk.last("ord_1").Status == api.OrderSucceeded })

	// It is told again, because the server forgot: it is not done again.
	desk.tell(order("ord_1"))
	until(t, "its end is reported again", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.open) == 0 })
	put(t, o, "broken")
	desk.tell(order("ord_2"))
	until(t, "the failure is reported", func() bool { return desk.last("ord_2").Status == api.OrderFailed })
	if r := desk.last("ord_2"); !strings.Contains(r.Error, "it is broken") {
		t.Errorf("report %+v", r)
	}
	if did(o) != "ord_1" {
		t.Errorf("carried out: %s", did(o))
	}
}

func TestOrders_refused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		order api.HostOrder
		deny  bool
		want  string
	}{
		"the owner does not allow it": {order("ord_1"), true, "the owner of this host does not allow rollouts"},
		"unknown kind":                {api.HostOrder{ID: "ord_1", Kind: "dance"}, false, "does not know orders of the kind dance"},
		"the kind says no":            {api.HostOrder{ID: "ord_1", Kind: "test", Version: "0.0.0"}, false, "0.0.0 is older"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, "w1")
			desk := p.desk()
			o := withTestOrders(testOptions(newHome(t, p.URL, "w1")))
			o.DenyRollouts = c.deny
			d := startDaemon(t, o)
			desk.tell(c.order)
			until(t, "it is refused", func() bool { return desk.last("ord_1").Status == api.OrderRefused })
			if r := desk.last("ord_1"); !strings.Contains(r.Error, c.want) {
				t.Errorf("report %+v", r)
			}
			until(t, "an event says so", func() bool {
				events, err := d.HostEvents(t.Context(), 0, "", 100)
				noError(t, err)
				return slices.ContainsFunc(events.Items, func(e api.HostEvent) bool { return e.Type == api.HostOrderRefused })
			})
		})
	}
}

func TestOrders_withdrawn(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	desk := p.desk()
	o := withTestOrders(testOptions(newHome(t, p.URL, "w1")))
	startDaemon(t, o)
	taken := order("ord_1")
	desk.tell(taken)
	until(t, "it drains", func() bool { return desk.last("ord_1").Status == api.OrderRunning })
	taken.Withdrawn = true
	desk.tell(taken)
	until(t, "it is let go of", func() bool { return desk.last("ord_1").Status == api.OrderWithdrawn })

	// One that was taken back before this host heard of it.
	never := order("ord_2")
	never.Withdrawn = true
	desk.tell(never)
	until(t, "it is let go of", func() bool { return desk.last("ord_2").Status == api.OrderWithdrawn })

	// One that has ended stays as it ended.
	put(t, o, "go")
	late := order("ord_3")
	desk.tell(late)
	until(t, "it is done", func() bool { return desk.last("ord_3").Status == api.OrderSucceeded })
	late.Withdrawn = true
	desk.tell(late)
	until(t, "its end is told again", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.open) == 0 })
	if r := desk.last("ord_3"); r.Status != api.OrderSucceeded {
		t.Errorf("report %+v", r)
	}
	if did(o) != "ord_3" {
		t.Errorf("carried out: %s", did(o))
	}
}

// A control plane hears nothing of, and does nothing to, an operation that it
// did not order, whatever it calls its orders.
func TestOrders_ofItsOwnOnly(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	desk := p.desk()
	o := withTestOrders(testOptions(newHome(t, p.URL, "w1")))
	d := startDaemon(t, o)
	desk.tell(order("ord_1"))
	until(t, "it drains", func() bool { return desk.last("ord_1").Status == api.OrderRunning })
	noError(t, d.stop())

	forged := order("ord_1")
	forged.RolloutID, forged.Withdrawn = "roll_2", true
	desk.tell(forged)
	desk.tell(order("../../x"))
	startDaemon(t, o)
	until(t, "it is heard", func() bool { return desk.last("ord_1").Status == api.OrderWithdrawn })
	put(t, o, "go")
	until(t, "what was begun goes on", func() bool { return did(o) == "ord_1" })
	if r := desk.last("../../x"); r.Status != "" {
		t.Errorf("an id that is none is answered: %+v", r)
	}
}

// The end of an order is told until somebody keeps it, also by a daemon that was
// started since.
func TestOrders_reportedUntilKept(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	desk := p.desk()
	o := withTestOrders(testOptions(newHome(t, p.URL, "w1")))
	d := startDaemon(t, o)
	desk.tell(order("ord_1"))
	until(t, "it drains", func() bool { return desk.last("ord_1").Status == api.OrderRunning })
	desk.setDeaf(true)
	put(t, o, "go")
	until(t, "it is done", func() bool {
		op, err := d.Operation(t.Context(), "ord_1")
		return err == nil && op.Status == "succeeded"
	})
	noError(t, d.stop())
	desk.setDeaf(false)
	startDaemon(t, o)
	until(t, "its end is reported", func() bool { return desk.last("ord_1").Status == api.OrderSucceeded })
	if did(o) != "ord_1" {
		t.Errorf("carried out: %s", did(o))
	}
}

// A daemon that is killed anywhere in an order leaves one that does it, once.
func TestOrders_killedAnywhere(t *testing.T) {
	t.Parallel()
	for _, point := range []string{
		"test-order/drain/begun", "test-order/drain/done", "test-order/work/begun", "test-order/work/done", "test-order/ended",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, "w1")
			desk := p.desk()
			dir := newHome(t, p.URL, "w1")
			o := withTestOrders(testOptions(dir))
			put(t, o, "go")
			desk.tell(order("ord_1"))
			first := spawnDaemon(t, dir, dieVar+"="+point, ordersVar+"=1")
			<-first.ended
			d := startDaemon(t, o)
			until(t, "its end is reported", func() bool { return desk.last("ord_1").Status == api.OrderSucceeded })
			all, err := d.Operations(t.Context(), 10)
			noError(t, err)
			if len(all) != 1 || all[0].Status != string(manifest.OperationSucceeded) || did(o) != "ord_1" {
				t.Errorf("operations %+v, carried out: %s", all, did(o))
			}
		})
	}
}

// Many orders at once are each carried out once.
func TestOrders_many(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	desk := p.desk()
	o := withTestOrders(testOptions(newHome(t, p.URL, "w1")))
	put(t, o, "broken")
	put(t, o, "go")
	startDaemon(t, o)
	const n = 120 // more than one check-in carries
	for i := range n {
		desk.tell(order(fmt.Sprintf("ord_%d", i)))
	}
	until(t, "all have ended", func() bool { desk.mu.Lock(); defer desk.mu.Unlock(); return len(desk.open) == 0 })
}
