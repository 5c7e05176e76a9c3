package api

import "encoding/json"

// Bounds of run events. A worker that is told more keeps it to itself.
const (
	// MaxRunEvents is the most lines of one request.
	MaxRunEvents = 1000
	// MaxRunEventSeq is the largest number of an event of one attempt.
	MaxRunEventSeq = 10_000
	// MaxRunEventPayload is the most bytes of one payload.
	MaxRunEventPayload = 16 << 10
	// MaxRunEventBytes is the most bytes of all payloads of one attempt.
	MaxRunEventBytes = 8 << 20
)

// RunEventLine is one line of the body of POST
// /api/v1/workers/self/run-events, which is NDJSON: something that happened in
// a run, under its wire id. Seq ascends from 1 within the attempt; one that is
// known is not kept again.
type RunEventLine struct {
	RunID string `json:"runId"`
	// Token is the EventsToken of the run's Dispatch: on the first line of each
	// run in a request, optional on the others.
	Token   string          `json:"token,omitempty"`
	Seq     int64           `json:"seq"`
	Type    string          `json:"type"`
	TS      Time            `json:"ts"`
	Payload json.RawMessage `json:"payload"`
}

// RunEventsAnswer answers it.
type RunEventsAnswer struct {
	Accepted int `json:"accepted"` // are kept now and were not before
	Known    int `json:"known"`    // were kept before
	Dropped  int `json:"dropped"`  // are beyond the bounds
	// Refused are runs whose lines were not taken. When no line was, the whole
	// answer has the status of the first of them.
	Refused []RefusedRun `json:"refused"`
}

// RefusedRun says why the lines of a run were not taken: 403 when the token is
// not the run's, 409 when it is that of an earlier attempt.
type RefusedRun struct {
	RunID  string `json:"runId"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Error  string `json:"error"`
}

// TaskRunEvent is one event that a worker reported.
type TaskRunEvent struct {
	ID      int64           `json:"id"` // ascends in the order of arrival
	Attempt int             `json:"attempt"`
	Seq     int64           `json:"seq"` // ascends within the attempt
	Type    string          `json:"type"`
	TS      Time            `json:"ts"`
	Payload json.RawMessage `json:"payload"`
}

// TaskRunEvents answers GET /api/task-runs/{id}/events, oldest first.
type TaskRunEvents struct {
	Items []TaskRunEvent `json:"items"`
	// Next is what to give as after to read on: the id of the last item, or what
	// was given when there is none.
	Next int64 `json:"next"`
}
