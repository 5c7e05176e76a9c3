package controlplane

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

const runEventsLabel = "Failed to store run events"

// eventsToken is what a worker shows to report events of an attempt: it was
// given the attempt, by whichever replica. Nothing is stored for it, and it is
// good after the attempt has ended, because the last events come after the
// report. Empty without a secret to derive it from: no events are wanted then.
func (s *Server) eventsToken(worker store.WorkerID, wire string) string {
	if s.o.Secret.Empty() {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(s.o.Secret.Reveal()))
	fmt.Fprintf(mac, "pipeweave run events\x00%s\x00%s", worker, wire)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// runEvents answers POST /api/v1/workers/self/run-events: NDJSON, in one write.
func (s *Server) runEvents(w http.ResponseWriter, r *http.Request) {
	answer, err := s.addRunEvents(w, r)
	if err != nil {
		s.fail(w, r, runEventsLabel, err)
		return
	}
	httpkit.Write(w, http.StatusOK, answer)
}

func (s *Server) addRunEvents(w http.ResponseWriter, r *http.Request) (api.RunEventsAnswer, error) {
	out := api.RunEventsAnswer{Refused: []api.RefusedRun{}}
	data, err := s.kit.Body(w, r)
	if err != nil {
		return out, err
	}
	lines, err := runEventLines(data)
	if err != nil {
		return out, err
	}
	worker := caller(r.Context()).worker
	verdicts := map[string]*api.RefusedRun{} // by wire id; nil: admitted
	var events []store.RunEvent
	for _, line := range lines {
		verdict, known := verdicts[line.RunID]
		if !known {
			verdict = s.refuseRunEvents(worker, line)
			verdicts[line.RunID] = verdict
			if verdict != nil {
				out.Refused = append(out.Refused, *verdict)
			}
		}
		switch {
		case verdict != nil:
		case line.Seq > api.MaxRunEventSeq, len(line.Payload) > api.MaxRunEventPayload:
			out.Dropped++
		default:
			id, attempt := pipeline.ParseWire(line.RunID)
			at := line.TS.Time
			if at.IsZero() {
				at = s.o.Now()
			}
			events = append(events, store.RunEvent{TaskRun: id, Attempt: attempt, Seq: line.Seq, Type: cut(line.Type, 64), At: at, Payload: line.Payload})
		}
	}
	if len(out.Refused) > 0 && len(out.Refused) == len(verdicts) {
		first := out.Refused[0]
		return out, &api.Error{Status: first.Status, Code: first.Code, Message: first.Error, Extra: map[string]any{"runId": first.RunID}}
	}
	if len(events) > 0 {
		added, err := s.st.AddRunEvents(r.Context(), store.AddRunEvents{Events: events, Most: api.MaxRunEventBytes})
		if err != nil {
			return out, err
		}
		out.Accepted, out.Known = added.Added, len(events)-added.Added-added.NoRoom
		out.Dropped += added.NoRoom
	}
	return out, nil
}

// runEventLines reads NDJSON. One bad line spoils the batch: whoever wrote it
// does not speak this, or it was cut short on the way.
func runEventLines(data []byte) ([]api.RunEventLine, error) {
	var out []api.RunEventLine
	bad := func(text string) error {
		return &api.Error{
			Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Invalid request",
			Detail: fmt.Sprintf("line %d %s", len(out)+1, text),
		}
	}
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || string(line) == "{}" { // an empty body reads as {}
			continue
		}
		if len(out) == api.MaxRunEvents {
			return nil, bad(fmt.Sprintf("is one too many: at most %d", api.MaxRunEvents))
		}
		var e api.RunEventLine
		switch err := json.Unmarshal(line, &e); {
		case err != nil:
			return nil, bad("is not an event in JSON")
		case e.RunID == "" || e.Type == "" || e.Seq < 1 || len(e.Payload) == 0 || httpkit.Kind(e.Payload) != "object":
			return nil, bad("needs runId, type, a seq of 1 or more and an object as payload")
		}
		out = append(out, e)
	}
	return out, nil
}

// attemptsBack is how far a token that does not fit is held against earlier
// attempts, to tell a mistake from a theft.
const attemptsBack = 100

// refuseRunEvents is nil when the line shows that the worker was given the
// attempt.
func (s *Server) refuseRunEvents(worker store.WorkerID, line api.RunEventLine) *api.RefusedRun {
	fits := func(wire string) bool {
		want := s.eventsToken(worker, wire)
		return want != "" && hmac.Equal([]byte(want), []byte(line.Token))
	}
	if fits(line.RunID) {
		return nil
	}
	id, attempt := pipeline.ParseWire(line.RunID)
	for n := attempt - 1; n >= max(1, attempt-attemptsBack); n-- {
		if fits(id.Wire(n)) {
			return &api.RefusedRun{RunID: line.RunID, Status: http.StatusConflict, Code: api.CodeConflict, Error: fmt.Sprintf("the token is that of attempt %d", n)}
		}
	}
	return &api.RefusedRun{RunID: line.RunID, Status: http.StatusForbidden, Code: api.CodeForbidden, Error: "the run is not this worker's"}
}

// taskRunEvents answers GET /api/task-runs/{id}/events.
func (s *Server) taskRunEvents(ctx context.Context, _ none) (api.TaskRunEvents, error) {
	q := queryOf(ctx)
	after, limit := q.number("after", 0, 0, math.MaxInt), q.number("limit", 100, 1, 1000)
	if err := q.err(); err != nil {
		return api.TaskRunEvents{}, err
	}
	given := pathID(ctx)
	id, _ := pipeline.ParseWire(given)
	if _, err := s.st.TaskRun(ctx, id); err != nil {
		return api.TaskRunEvents{}, missing(err, "Task run", "taskRunId", given)
	}
	events, err := s.st.RunEvents(ctx, id, int64(after), limit)
	if err != nil {
		return api.TaskRunEvents{}, err
	}
	out := api.TaskRunEvents{Items: make([]api.TaskRunEvent, len(events)), Next: int64(after)}
	for i, e := range events {
		out.Items[i] = api.TaskRunEvent{ID: e.ID, Attempt: e.Attempt, Seq: e.Seq, Type: e.Type, TS: api.At(e.At), Payload: e.Payload}
		out.Next = e.ID
	}
	return out, nil
}
