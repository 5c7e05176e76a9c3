package connectivity

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// auth asks what only somebody with the credential is told.
func (x *examination) auth(ctx context.Context) {
	fix := Check{Name: CheckAuth, Fix: "bring a credential", Command: x.plane.Login}
	switch {
	case x.plane.TokenErr != nil:
		fix.Message, fix.Fix, fix.Command = "the credentials of this host cannot be used: "+x.plane.TokenErr.Error(), "mend that, or connect again", x.plane.Login
		x.add(fix)
		return
	case x.plane.WorkspaceID == "":
		x.add(Check{Name: CheckAuth, Skipped: true, Message: "this host is in no workspace of it"})
		return
	case x.plane.Token.Empty():
		fix.Message = "this host has no credential for it"
		x.add(fix)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	began := time.Now()
	resp, err := x.get(ctx, "/api/v1/workspaces/"+url.PathEscape(x.plane.WorkspaceID)+"/workers", "application/json")
	if err != nil {
		x.add(Check{Name: CheckAuth, Message: "no answer: " + reason(err), Fix: "try again; the control plane may be overloaded"})
		return
	}
	_ = resp.Body.Close()
	switch status := resp.StatusCode; {
	case status/100 == 2:
		x.add(Check{
			Name: CheckAuth, OK: true, LatencyMs: ms(time.Since(began)),
			Message: "the credential for workspace " + x.plane.WorkspaceID + " is accepted",
		})
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound:
		fix.Message = fmt.Sprintf("the credential for workspace %s is refused (HTTP %d)", x.plane.WorkspaceID, status)
		x.add(fix)
	default:
		x.add(Check{
			Name: CheckAuth, Message: fmt.Sprintf("the credential could not be checked (HTTP %d)", status),
			Fix: "try again; this host does so by itself",
		})
	}
}

// events opens the event stream of a worker: networks that let short answers
// through may hold back one that does not end.
func (x *examination) events(ctx context.Context) {
	if x.plane.WorkerID == "" || x.plane.Token.Empty() || x.checks[len(x.checks)-1].Failed() {
		x.add(Check{Name: CheckEvents, Skipped: true, Message: "there is no worker whose events this host may read"})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	began := time.Now()
	resp, err := x.get(ctx, "/api/v1/workers/"+url.PathEscape(x.plane.WorkerID)+"/events/stream", "text/event-stream")
	if err != nil {
		x.add(Check{
			Name: CheckEvents, Message: "the event stream does not open: " + reason(err),
			Fix: "something between may hold back answers that do not end: it must not buffer text/event-stream",
		})
		return
	}
	_ = resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode/100 != 2 || !strings.HasPrefix(kind, "text/event-stream") {
		x.add(Check{
			Name: CheckEvents, Message: fmt.Sprintf("the event stream is refused (HTTP %d, %s)", resp.StatusCode, cmp.Or(kind, "no type")),
			Fix: "this host goes on without: it asks every 15 seconds",
		})
		return
	}
	x.add(Check{Name: CheckEvents, OK: true, LatencyMs: ms(time.Since(began)), Message: "the event stream opens"})
}

const poolPath = "/api/v1/pool-workers"

// pool asks what only somebody with the token of the pool is told. A host that
// has no such token needs none.
func (x *examination) pool(ctx context.Context) {
	if x.plane.Pool.Empty() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	began := time.Now()
	resp, err := x.get(ctx, poolPath, "application/json")
	if err != nil {
		x.add(Check{Name: CheckPool, Message: "no answer: " + reason(err), Fix: "try again; the control plane may be overloaded"})
		return
	}
	_ = resp.Body.Close()
	switch status := resp.StatusCode; {
	case status/100 == 2:
		x.add(Check{Name: CheckPool, OK: true, LatencyMs: ms(time.Since(began)), Message: "the token that lists pool workers is accepted"})
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound:
		x.add(Check{
			Name: CheckPool, Message: fmt.Sprintf("the token that lists pool workers is refused (HTTP %d)", status),
			Fix: "keep another token that lists pool workers", Command: x.plane.PoolLogin,
		})
	default:
		x.add(Check{
			Name: CheckPool, Message: fmt.Sprintf("the token that lists pool workers could not be checked (HTTP %d)", status),
			Fix: "try again; this host does so by itself",
		})
	}
}
