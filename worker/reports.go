package worker

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"pipedai/api"
)

// mostReports bounds one request of reports.
const mostReports = 200

// callbacker is the part of the client that carries reports.
type callbacker interface {
	reporter
	Callbacks(ctx context.Context, req api.CallbacksRequest) (api.CallbacksResponse, error)
}

// reports sends what is reported at the same time in one request. One request
// is under way at a time, and what comes meanwhile is the next: a lone report
// waits for nothing, and there is no timer. Each report is answered for itself,
// so it is a reporter like the client, and repeating one is safe: of an attempt
// that has ended the control plane takes no second report.
type reports struct {
	live context.Context // of requests: a report that nobody waits for still goes out
	to   callbacker

	mu     sync.Mutex
	queue  []*reported
	flying bool
}

// reported is one report on its way.
type reported struct {
	callback api.RunCallback
	answer   api.CallbackResponse
	err      error
	done     chan struct{}
}

func newReports(live context.Context, to callbacker) *reports {
	return &reports{live: live, to: to}
}

// Callback reports the end of an attempt, with others if there are any.
func (r *reports) Callback(ctx context.Context, wire string, req api.CallbackRequest) (api.CallbackResponse, error) {
	one := &reported{callback: api.RunCallback{RunID: wire, Callback: req}, done: make(chan struct{})}
	r.mu.Lock()
	r.queue = append(r.queue, one)
	if !r.flying {
		r.flying = true
		go r.fly()
	}
	r.mu.Unlock()
	select {
	case <-one.done:
		return one.answer, one.err
	case <-ctx.Done():
		return api.CallbackResponse{}, ctx.Err()
	}
}

// fly sends until nothing is queued.
func (r *reports) fly() {
	for {
		r.mu.Lock()
		n := min(len(r.queue), mostReports)
		if n == 0 {
			r.flying = false
			r.mu.Unlock()
			return
		}
		batch := r.queue[:n:n]
		r.queue = r.queue[n:]
		r.mu.Unlock()
		r.send(batch)
	}
}

func (r *reports) send(batch []*reported) {
	if len(batch) > 1 && r.together(batch) {
		return
	}
	for _, one := range batch {
		one.answer, one.err = r.to.Callback(r.live, one.callback.RunID, one.callback.Callback)
		close(one.done)
	}
}

// together sends a batch in one request. It reports false, with nothing
// answered, when the control plane does not take this one as a batch: it is too
// large, one of them is malformed, or batches are unknown there.
func (r *reports) together(batch []*reported) bool {
	req := api.CallbacksRequest{Callbacks: make([]api.RunCallback, len(batch))}
	for i, one := range batch {
		req.Callbacks[i] = one.callback
	}
	answer, err := r.to.Callbacks(r.live, req)
	var refused *api.Error
	if errors.As(err, &refused) {
		switch refused.Status {
		case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge:
			return false
		}
	}
	if err == nil && len(answer.Results) != len(batch) {
		err = &api.Error{Status: http.StatusBadGateway, Code: api.CodeUpstream, Message: "the control plane answered for a different number of reports"}
	}
	for i, one := range batch {
		switch {
		case err != nil:
			one.err = err
		case answer.Results[i].Status/100 != 2:
			result := answer.Results[i]
			one.err = &api.Error{Status: result.Status, Code: result.Code, Message: result.Error}
		default:
			one.answer = answer.Results[i].CallbackResponse
		}
		close(one.done)
	}
	return true
}
