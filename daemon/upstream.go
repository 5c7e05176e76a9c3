package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"pipedai/api"
	"pipedai/client"
	"pipedai/enroll"
	"pipedai/internal/buildinfo"
	"pipedai/internal/secret"
	"pipedai/manifest"
)

// plane is a client of a control plane with a credential.
func (h *host) plane(apiURL string, token secret.Text) *client.Client {
	return client.New(apiURL, client.Options{Token: token, UserAgent: program + "/" + buildinfo.Version()})
}

// operatorOf is a client with this host's credential for a workspace, or the
// refusal that says how to get one.
func (h *host) operatorOf(apiURL, workspaceID string) (*client.Client, error) {
	token, err := h.credential(apiURL, workspaceID)
	if err != nil {
		return nil, conflict(err.Error(), "")
	}
	if token.Empty() {
		return nil, conflict("this host has no operator credential for "+apiURL, "run: "+h.connect(apiURL))
	}
	return h.plane(apiURL, token), nil
}

func conflict(message, fix string) error {
	return &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: message, Fix: fix}
}

// switchUpstream has the control plane give a worker work, or none. A worker it
// does not know is errGoneUpstream.
func (h *host) switchUpstream(ctx context.Context, e manifest.Entry, enabled bool) error {
	return h.switchFor(ctx, e, enabled, nil)
}

// switchFor is switchUpstream in the name of an operation: to enable lifts only
// what it did itself, so that what an operator did meanwhile stays. Control
// planes that do not know of names switch all the same.
func (h *host) switchFor(ctx context.Context, e manifest.Entry, enabled bool, op *operation) error {
	verb := "disable"
	if enabled {
		verb = "enable"
	}
	if e.Mode == manifest.ModePool {
		return h.switchPool(ctx, e, enabled, verb)
	}
	if e.WorkspaceID == "" {
		return conflict("this worker was registered without a workspace", "connect it again: "+h.connect(e.APIURL))
	}
	plane, err := h.operatorOf(e.APIURL, e.WorkspaceID)
	if err != nil {
		return err
	}
	switch {
	case op != nil:
		rec := op.record()
		err = plane.SwitchWorker(ctx, e.WorkspaceID, e.ID, enabled, api.SwitchRequest{By: rec.ID, Note: rec.Kind + " on its host"})
	case enabled:
		err = plane.EnableWorker(ctx, e.WorkspaceID, e.ID)
	default:
		err = plane.DisableWorker(ctx, e.WorkspaceID, e.ID)
	}
	return h.upstream(verb, e, err)
}

// switchPool uses the worker's own token: what a host's credential may do with
// pool workers is nothing.
func (h *host) switchPool(ctx context.Context, e manifest.Entry, enabled bool, verb string) error {
	file, err := enroll.ReadWorkerFile(e.ConfigPath)
	if err != nil || file.WorkerToken.Empty() {
		return conflict("this pool worker's token cannot be read from "+e.ConfigPath, "register it again")
	}
	plane := h.plane(e.APIURL, file.WorkerToken)
	if enabled {
		err = plane.SelfEnable(ctx, e.ID)
	} else {
		err = plane.SelfDisable(ctx, e.ID)
	}
	var answer *api.Error
	if errors.As(err, &answer) && (answer.Status == http.StatusNotFound || answer.Status == http.StatusForbidden) {
		return h.poolRefusal(e)
	}
	return h.upstream(verb, e, err)
}

// poolRefusal says what a host can do about a pool worker, which is to end it.
func (h *host) poolRefusal(e manifest.Entry) error {
	return conflict("a pool worker is switched and removed by the operators of the pool, not by this host",
		"to end it here use: "+h.command("stop "+e.ID))
}

// deleteUpstream removes a worker at its control plane. One that is not known
// there is as good as removed.
func (h *host) deleteUpstream(ctx context.Context, e manifest.Entry) error {
	if e.Mode == manifest.ModePool {
		return h.poolRefusal(e)
	}
	plane, err := h.operatorOf(e.APIURL, e.WorkspaceID)
	if err != nil {
		return err
	}
	if err := plane.DeleteWorker(ctx, e.WorkspaceID, e.ID); err != nil && !gone(err) {
		return h.upstream("delete", e, err)
	}
	return nil
}

// gone reports whether the control plane does not know the worker any more.
func gone(err error) bool {
	var answer *api.Error
	return errors.Is(err, errGoneUpstream) || errors.As(err, &answer) && answer.Status == http.StatusNotFound
}

// errGoneUpstream says that the control plane does not know the worker.
var errGoneUpstream = errors.New("the control plane does not know this worker")

// upstream words a control plane's refusal for the local caller: it is not the
// local token that was refused, and nothing changed here.
func (h *host) upstream(verb string, e manifest.Entry, err error) error {
	if err == nil {
		return nil
	}
	if gone(err) {
		return errGoneUpstream
	}
	done := map[string]string{"build": "built"}[verb]
	if done == "" {
		done = verb + "d"
	}
	out := &api.Error{
		Status: http.StatusBadGateway, Code: api.CodeUpstream,
		Message: fmt.Sprintf("%s could not be %s; nothing was changed here", e.Label, done),
		Detail:  err.Error(),
	}
	var answer *api.Error
	switch {
	case !errors.As(err, &answer):
	case answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden:
		out.Fix = "renew this host's credential: " + h.connect(e.APIURL)
	case answer.Code != api.CodeUnreachable && answer.Status == 0, answer.Status >= 502 && answer.Status <= 504:
		out.Message = fmt.Sprintf("whether %s was %s is not known", e.Label, done)
		out.Fix = "it is asked again until there is an answer; to take it back: " + h.command("operations")
	case answer.Status == 0:
		out.Fix = "check the network and that " + e.APIURL + " is up; to stop the worker here at once: " + h.command("stop "+e.ID)
	}
	return &upstreamError{out, answer}
}

// upstreamError is an answer of a control plane, worded for the local caller.
type upstreamError struct {
	local  *api.Error
	answer *api.Error // nil: something else went wrong
}

func (e *upstreamError) Error() string { return e.local.Error() }
func (e *upstreamError) Unwrap() error { return e.local }

// undecided reports whether it is not known what a control plane did: it did
// not answer, or something between here and there answered for it.
func undecided(err error) bool {
	var up *upstreamError
	if !errors.As(err, &up) {
		return false
	}
	if up.answer == nil || up.answer.Status == 0 {
		return !unreached(err)
	}
	return up.answer.Status >= 502 && up.answer.Status <= 504
}

// unreached reports whether a control plane was not even asked.
func unreached(err error) bool {
	var up *upstreamError
	return errors.As(err, &up) && up.answer != nil && up.answer.Code == api.CodeUnreachable
}

// stumbled reports whether a control plane failed while it carried something
// out: it may have come far enough.
func stumbled(err error) bool {
	var up *upstreamError
	return errors.As(err, &up) && up.answer != nil && up.answer.Status >= 500
}

// maxStumbles bounds how often an operation asks again after the control plane
// failed at it: it may fail at this for good.
const maxStumbles = 5

// settleUpstream decides what an operation does about an error of a control
// plane. When it is not known what was done there, it is asked until it
// answers. When it was not reached nothing was done: whoever waits hears of it
// and may ask again; where nobody waits, because the daemon was killed
// meanwhile, an earlier daemon may have reached it. One that failed may have
// done it: that is taken back.
func settleUpstream(op *operation, err error) error {
	switch {
	case err == nil:
		return nil
	case undecided(err), op.resumed && unreached(err):
		return again(err)
	}
	op.refused = !stumbled(err)
	return err
}

// insistUpstream is settleUpstream where there is no other way: what keeps the
// control plane from answering passes, and it fails only so often.
func insistUpstream(op *operation, err error) error {
	switch {
	case undecided(err), unreached(err):
		return again(err)
	case stumbled(err) && op.stumbles < maxStumbles:
		op.stumbles++
		return again(err)
	}
	return err
}
