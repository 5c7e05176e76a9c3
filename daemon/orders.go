package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/daemon/remote"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

// orders carries out what control planes tell this host to do. Each order is an
// operation whose id is the order's: so the journal knows, across kills, which
// were begun and how they ended, and one that is told twice is done once. What
// is in memory can be told again at any time.
type orders struct {
	h     *host
	kinds map[string]orderKind
	wake  chan struct{} // capacity 1: there is something to do

	mu   sync.Mutex
	held map[string]*heldOrder // by id
}

var _ remote.Orders = (*orders)(nil)

// orderKind is what a kind of orders means on this host.
type orderKind struct {
	capability string
	// begin starts the operation of an order, under the id of the order. An
	// *api.Error of status 409 with code conflict is tried again later, as is any
	// error that is none; every other refuses the order for good.
	begin func(ctx context.Context, h *host, o api.HostOrder, link remote.Link) error
	// tell adds what became of the workers to a report of an operation, and may
	// say that nothing was disturbed: then the order was refused and did not fail.
	tell func(ctx context.Context, h *host, rec manifest.Operation, r *api.OrderReport)
}

// heldOrder is one that a control plane told of, and has not acknowledged the
// end of.
type heldOrder struct {
	api.HostOrder
	link    remote.Link
	looked  bool      // the journal was asked
	begun   bool      // and has it
	refused string    // why it was not begun
	waits   string    // what it waits for
	notYet  time.Time // not tried again before
	asked   bool      // its operation was asked to end
	sent    string    // the report that the control plane has
	pending string    // the one on its way
}

const (
	// orderPause is between two tries to begin an order that has to wait.
	orderPause = 5 * time.Second
	// progressPause is the least time between two reports of progress.
	progressPause = time.Second
	// gatherPause lets changes that come together be one.
	gatherPause = 20 * time.Millisecond
)

func newOrders(h *host) *orders {
	o := &orders{h: h, kinds: orderKinds(), wake: make(chan struct{}, 1), held: map[string]*heldOrder{}}
	maps.Copy(o.kinds, h.o.orderKinds)
	return o
}

// Capabilities implements remote.Orders.
func (o *orders) Capabilities() []string {
	var out []string
	for _, k := range o.kinds {
		out = append(out, k.capability)
	}
	slices.Sort(out)
	return out
}

// Take implements remote.Orders.
func (o *orders) Take(_ context.Context, link remote.Link, all []api.HostOrder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	told := map[string]bool{}
	for _, order := range all {
		held := o.held[order.ID]
		if hostdir.ValidID(order.ID) != nil || held != nil && held.link != link {
			// An id is another control plane's, or none: whoever made it up is told nothing.
			o.h.o.Log.Warn("an order is ignored: its id is not its own", "order", order.ID, "url", link.APIURL)
			continue
		}
		told[order.ID] = true
		if held == nil {
			held = &heldOrder{link: link}
			o.held[order.ID] = held
		}
		held.HostOrder = order
	}
	for id, held := range o.held { // over there, and nothing here to tell of it
		if held.link == link && !told[id] && !held.begun {
			delete(o.held, id)
		}
	}
	o.nudge()
}

// nudge has run look again. It never blocks.
func (o *orders) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Reports implements remote.Orders.
func (o *orders) Reports(ctx context.Context, link remote.Link) []api.OrderReport {
	o.mu.Lock()
	var mine []heldOrder
	for _, held := range o.held {
		if held.link == link {
			mine = append(mine, *held)
		}
	}
	o.mu.Unlock()
	var out []api.OrderReport
	for _, held := range mine {
		r, known := o.report(ctx, held)
		text := reportText(r)
		if !known || text == held.sent && !r.Ended() {
			continue
		}
		o.mu.Lock()
		if now := o.held[held.ID]; now != nil {
			now.pending = text
		}
		o.mu.Unlock()
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b api.OrderReport) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(len(out), 100)] // as many as one check-in carries; the others follow
}

// Sent implements remote.Orders.
func (o *orders) Sent(_ context.Context, _ remote.Link, reports []api.OrderReport, acknowledged []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range reports {
		if held := o.held[r.ID]; held != nil {
			held.sent = held.pending
		}
	}
	for _, id := range acknowledged {
		delete(o.held, id) // the journal still has it, should it be told again
	}
}

// reportText is a report as something to compare.
func reportText(r api.OrderReport) string {
	data, _ := json.Marshal(r) //nolint:errchkjson // text and numbers
	return string(data)
}

// report is how far an order is; known is false while nobody has looked at it.
func (o *orders) report(ctx context.Context, held heldOrder) (r api.OrderReport, known bool) {
	r.ID = held.ID
	if !held.begun {
		switch {
		case !held.looked:
			return r, false
		case held.Withdrawn:
			r.Status = api.OrderWithdrawn
		case held.refused != "":
			r.Status, r.Error = api.OrderRefused, clip(held.refused, 4000)
		case held.waits != "":
			r.Status, r.Message = api.OrderAccepted, clip(held.waits, 1000)
		default:
			return r, false
		}
		return r, true
	}
	rec, err := o.h.manifest.Operation(ctx, held.ID)
	if err != nil {
		return r, false // the manifest cannot be read now; it is asked again
	}
	rec = o.h.operations.fresh(rec)
	r.Step, r.Message, r.Progress = rec.Step, clip(rec.Message, 1000), float64(rec.Progress)
	if r.Error = rec.Error; rec.Error != "" && rec.Fix != "" {
		r.Error += " (" + rec.Fix + ")"
	}
	r.Error = clip(r.Error, 4000)
	switch rec.Status {
	case manifest.OperationRunning:
		r.Status = api.OrderRunning
	case manifest.OperationSucceeded:
		r.Status = api.OrderSucceeded
	case manifest.OperationCancelled:
		r.Status = api.OrderWithdrawn
		if !held.Withdrawn {
			r.Status, r.Error = api.OrderFailed, cmp.Or(r.Error, "it was cancelled on the host")
		}
	default:
		r.Status = api.OrderFailed
	}
	if kind, ok := o.kinds[held.Kind]; ok && kind.tell != nil {
		kind.tell(ctx, o.h, rec, &r)
	}
	return r, true
}

// moved follows an operation, or a part of one, that may be an order's.
func (o *orders) moved(id string) {
	o.mu.Lock()
	held := o.held[id]
	for at := strings.LastIndexByte(id, '-'); held == nil && at > 0; at = strings.LastIndexByte(id, '-') {
		id = id[:at] // of a part: the id of the whole, a dash and a number
		held = o.held[id]
	}
	o.mu.Unlock()
	if held != nil {
		o.nudge()
	}
}

// run begins what is to be begun and reports what is to be reported, until ctx
// ends.
func (o *orders) run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-o.h.ready:
	}
	var told time.Time
	for {
		look := o.once(ctx)
		if pause := progressPause - time.Since(told); len(look.news) > 0 && (look.urgent || pause <= 0) {
			told = time.Now()
			for _, link := range look.news {
				o.h.remote.Nudge(link)
			}
		} else if len(look.news) > 0 {
			look.wait = min(look.wait, pause)
		}
		timer := time.NewTimer(look.wait)
		select {
		case <-ctx.Done():
		case <-o.wake:
			timer.Reset(gatherPause) // of what comes together, the newest is enough
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// look is what a look at all orders found.
type look struct {
	wait   time.Duration // until the next one, at the latest
	news   []remote.Link // that have something to hear
	urgent bool          // and it is no mere progress
}

// once gives every order its turn.
func (o *orders) once(ctx context.Context) look {
	o.mu.Lock()
	var all []heldOrder
	for _, held := range o.held {
		all = append(all, *held)
	}
	o.mu.Unlock()
	slices.SortFunc(all, func(a, b heldOrder) int { return strings.Compare(a.ID, b.ID) })
	out := look{wait: time.Hour}
	for _, held := range all {
		if held.Withdrawn || time.Until(held.notYet) <= 0 {
			o.step(ctx, &held)
		}
		if pause := time.Until(held.notYet); pause > 0 && !held.Withdrawn {
			out.wait = min(out.wait, pause)
		}
		o.mu.Lock()
		if now := o.held[held.ID]; now != nil {
			now.looked, now.begun, now.refused, now.waits, now.notYet, now.asked = held.looked, held.begun, held.refused, held.waits, held.notYet, held.asked
		}
		o.mu.Unlock()
		if r, known := o.report(ctx, held); known && reportText(r) != held.sent {
			if !slices.Contains(out.news, held.link) {
				out.news = append(out.news, held.link)
			}
			out.urgent = out.urgent || r.Ended() || held.sent == ""
		}
	}
	return out
}

// step does what is next for one order.
func (o *orders) step(ctx context.Context, held *heldOrder) {
	if !held.begun {
		// The journal first: an earlier daemon may have begun it.
		rec, err := o.h.manifest.Operation(ctx, held.ID)
		switch {
		case err == nil && rec.AskedBy != o.by(held):
			// Only its own may be told of, and taken back.
			held.looked, held.refused = true, "another operation of this host has this id"
			return
		case err == nil:
			held.looked, held.begun = true, true
		case !errors.Is(err, manifest.ErrNotFound):
			held.notYet = time.Now().Add(orderPause)
			return
		default:
			if held.looked = true; !held.Withdrawn && held.refused == "" {
				o.begin(ctx, held)
			}
			return
		}
	}
	if held.Withdrawn && !held.asked {
		held.asked = true
		// What ended, or is past that, ends as it does, and is reported so.
		if _, err := o.h.CancelOperation(ctx, held.ID, o.by(held)); err == nil {
			o.h.o.Log.Info("an order is taken back", "order", held.ID, "rollout", held.RolloutID, "url", held.link.APIURL)
		}
	}
}

// by is who asked, as operations name it. It is the same for every time that
// one control plane tells of an order, and for no other.
func (o *orders) by(held *heldOrder) string { return orderedBy(held.HostOrder, held.link) }

func orderedBy(order api.HostOrder, link remote.Link) string {
	return "rollout " + order.RolloutID + " of " + link.APIURL
}

// begin starts the operation of an order, or says why not.
func (o *orders) begin(ctx context.Context, held *heldOrder) {
	held.waits, held.notYet = "", time.Time{}
	kind, known := o.kinds[held.Kind]
	var err error
	switch {
	case o.h.o.DenyRollouts:
		held.refused = "the owner of this host does not allow rollouts (rollouts is deny in its settings)"
	case !known:
		held.refused = "this version of the daemon does not know orders of the kind " + held.Kind
	default:
		err = kind.begin(ctx, o.h, held.HostOrder, held.link)
	}
	var refused *api.Error
	switch {
	case held.refused != "":
	case err == nil:
		held.begun = true
		o.h.o.Log.Info("an order is carried out", "order", held.ID, "kind", held.Kind, "program", held.Program, "version", held.Version,
			"rollout", held.RolloutID, "url", held.link.APIURL)
		return
	case !errors.As(err, &refused) || refused.Status == http.StatusServiceUnavailable || refused.Code == api.CodeConflict:
		held.waits, held.notYet = err.Error(), time.Now().Add(orderPause)
		return
	default:
		held.refused = refused.Error()
	}
	o.h.o.Log.Warn("an order is refused", "order", held.ID, "kind", held.Kind, "version", held.Version, "rollout", held.RolloutID, "why", held.refused)
	o.h.events.add(api.HostOrderRefused, "", map[string]string{
		"order": held.ID, "rollout": held.RolloutID, "program": held.Program, "version": held.Version, "why": held.refused,
	})
}

// clip bounds a text, at a rune.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "…"
}
