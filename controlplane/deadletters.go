package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

const (
	// Inputs shown with a list: of each at most so many bytes, of all together
	// so many, so many read at once, and all within so long.
	letterInputLimit  = 256 << 10
	letterInputsLimit = 16 << 20
	letterInputsOnce  = 8
	letterInputsTime  = 3 * time.Second
	retryAllByDefault = 1000
)

// deadLetters answers GET /api/dlq, newest failure first.
func (s *Server) deadLetters(ctx context.Context, _ none) (api.DeadLetters, error) {
	q := queryOf(ctx)
	f := letterFilter(q)
	f.Limit, f.Offset = q.number("limit", 100, 1, 1000), q.number("offset", 0, 0, 1<<31-1)
	group := q.text("group")
	if err := q.err(); err != nil {
		return api.DeadLetters{}, err
	}
	if group != "" {
		heads, err := s.o.Engine.LettersOf(ctx, f, group, store.DeadLetterHead{}, math.MaxInt)
		if err != nil {
			return api.DeadLetters{}, err
		}
		page := heads[min(f.Offset, len(heads)):min(f.Offset+f.Limit, len(heads))]
		letters, _, err := s.st.DeadLetters(ctx, store.DeadLetterFilter{IDs: headIDs(page), IncludeRetried: f.IncludeRetried, Limit: f.Limit})
		return s.wireLetters(ctx, letters, len(heads)), err
	}
	letters, total, err := s.st.DeadLetters(ctx, f)
	if err != nil {
		return api.DeadLetters{}, err
	}
	return s.wireLetters(ctx, letters, total), nil
}

// letterFilter reads what restricts a list of dead letters.
func letterFilter(q *query) store.DeadLetterFilter {
	return store.DeadLetterFilter{
		Pipeline:       pipeline.ID(q.text("pipelineId")),
		Task:           pipeline.TaskID(q.text("taskId")),
		From:           q.time("from"),
		To:             q.time("to"),
		IncludeRetried: q.text("includeRetried") == "true" || q.text("includeRetried") == "1",
	}
}

func (s *Server) wireLetters(ctx context.Context, letters []store.DeadLetter, total int) api.DeadLetters {
	out := api.DeadLetters{Items: make([]api.DeadLetter, len(letters)), Total: total}
	inputs := s.letterInputs(ctx, letters)
	for i, l := range letters {
		out.Items[i] = wireDeadLetter(l, inputs[i])
	}
	return out
}

// deadLetter answers GET /api/dlq/{id}, by its own id or its task run's.
func (s *Server) deadLetter(ctx context.Context, _ none) (api.DeadLetter, error) {
	id := pathID(ctx)
	l, err := s.st.DeadLetter(ctx, letterRef(id))
	if err != nil {
		return api.DeadLetter{}, missing(err, "DLQ item", "dlqId", id)
	}
	return wireDeadLetter(l, s.letterInputs(ctx, []store.DeadLetter{l})[0]), nil
}

// letterRef is an id as the store knows it; a task run may be named as on the
// wire.
func letterRef(id string) string {
	run, _ := pipeline.ParseWire(id)
	return string(run)
}

// letterInputs reads the inputs of dead letters; nil where one cannot be read
// or shown.
func (s *Server) letterInputs(ctx context.Context, letters []store.DeadLetter) []json.RawMessage {
	ctx, cancel := context.WithTimeout(ctx, letterInputsTime)
	defer cancel()
	out := make([]json.RawMessage, len(letters))
	turns := make(chan struct{}, letterInputsOnce)
	var left atomic.Int64
	left.Store(letterInputsLimit)
	var wg sync.WaitGroup
	for i, l := range letters {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			out[i] = s.letterInput(ctx, l.InputPath, &left)
		})
	}
	wg.Wait()
	return out
}

// letterInput reads one, as long as what is left for all of them suffices.
func (s *Server) letterInput(ctx context.Context, path string, left *atomic.Int64) json.RawMessage {
	if path == "" || ctx.Err() != nil {
		return nil
	}
	object, err := s.o.Engine.Stat(ctx, path, "")
	if err != nil || object.Size > letterInputLimit || left.Add(-object.Size) < 0 {
		return nil
	}
	r, err := object.Open(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = r.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(r, letterInputLimit+1))
	if err != nil || len(data) > letterInputLimit || !json.Valid(data) {
		return nil
	}
	return data
}

// retryDeadLetter answers POST /api/dlq/{id}/retry.
func (s *Server) retryDeadLetter(ctx context.Context, _ none) (api.RetriedDeadLetter, error) {
	id := pathID(ctx)
	got, err := s.o.Engine.RetryDeadLetter(ctx, letterRef(id))
	if err != nil {
		return api.RetriedDeadLetter{}, missing(refusedAs(err, "dlqId", id), "DLQ item", "dlqId", id)
	}
	// The letter is gone with this; the run is where people look for who did it.
	recordOf(ctx).detail("dead letter %s as task run %s", got.ID, got.Run.ID)
	if got.Run.Run != "" {
		recordOf(ctx).on(string(got.Run.Run))
	}
	s.o.Log.InfoContext(ctx, "dead letter retried", "dead_letter", got.ID, "task_run", got.Run.ID, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return api.RetriedDeadLetter{NewRunID: string(got.Run.ID), Status: "queued", CodeVersion: got.Run.CodeVersion}, nil
}

// refusedAs tells why something was refused; member repeats the id.
func refusedAs(err error, member, id string) error {
	var refusal *store.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	return &api.Error{
		Status: http.StatusConflict, Code: api.CodeConflict, Message: refusal.Reason, Extra: map[string]any{member: id},
	}
}

// retryDeadLetters answers POST /api/dlq/retry-all.
func (s *Server) retryDeadLetters(ctx context.Context, req api.RetryAllRequest) (api.RetriedAll, error) {
	f := store.DeadLetterFilter{
		Pipeline: pipeline.ID(req.PipelineID), Task: pipeline.TaskID(req.TaskID),
		From: instant(req.From), To: instant(req.To), Limit: req.Limit,
	}
	if f.Limit == 0 {
		f.Limit = retryAllByDefault
	}
	var got []store.RetriedLetter
	var err error
	if len(req.IDs) > 0 {
		got, err = s.o.Engine.RetryDeadLettersByID(ctx, typed[pipeline.DeadLetterID](req.IDs))
	} else {
		got, err = s.o.Engine.RetryDeadLetters(ctx, f)
	}
	if err != nil {
		return api.RetriedAll{}, err
	}
	out := api.RetriedAll{Results: []api.RetryResult{}, Failed: []api.RetryNotPossible{}}
	for _, l := range got {
		if l.Err != nil {
			out.Failed = append(out.Failed, api.RetryNotPossible{DLQID: string(l.ID), Error: whyNotRetried(l.Err)})
			continue
		}
		out.Results = append(out.Results, api.RetryResult{
			DLQID: string(l.ID), NewRunID: string(l.Run.ID), Status: "queued", CodeVersion: l.Run.CodeVersion,
		})
	}
	out.Retried = len(out.Results)
	recordOf(ctx).detail("%d retried, %d not; pipeline %q, task %q", out.Retried, len(out.Failed), req.PipelineID, req.TaskID)
	s.o.Log.InfoContext(ctx, "dead letters retried", "retried", out.Retried, "failed", len(out.Failed), "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return out, nil
}

// whyNotRetried is the reason for one of several dead letters.
func whyNotRetried(err error) string {
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		return refusal.Reason
	case errors.Is(err, store.ErrNotFound):
		return "DLQ item not found" // purged since it was listed
	case errors.Is(err, store.ErrMaintenance):
		return "Orchestrator is in maintenance mode"
	default:
		return "It was not retried; the server's log says why"
	}
}

// purgeDeadLetters answers POST /api/dlq/purge.
func (s *Server) purgeDeadLetters(ctx context.Context, req api.PurgeRequest) (api.Purged, error) {
	if len(req.IDs) > 0 {
		purged, err := s.o.Engine.DeleteDeadLetters(ctx, typed[pipeline.DeadLetterID](req.IDs))
		if err != nil {
			return api.Purged{}, err
		}
		recordOf(ctx).detail("%d purged of %d that were named", purged, len(req.IDs))
		s.o.Log.InfoContext(ctx, "dead letters purged", "purged", purged, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
		return api.Purged{Purged: purged}, nil
	}
	age, err := s.purgeAge(req)
	if err != nil {
		return api.Purged{}, err
	}
	before := s.o.Now().Add(-age)
	purged, err := s.o.Engine.PurgeDeadLetters(ctx, before)
	if err != nil {
		return api.Purged{}, err
	}
	recordOf(ctx).detail("%d purged from before %s", purged, api.At(before))
	s.o.Log.InfoContext(ctx, "dead letters purged", "purged", purged, "before", before, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return api.Purged{Purged: purged, OlderThan: api.At(before)}, nil
}

// longestAge keeps ages within what a duration holds.
const longestAge = 100 * 365 * 24 * time.Hour

var ageForm = regexp.MustCompile(`^\s*([0-9]{1,9})\s*([smhdw])\s*$`)

var ageUnits = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

func (s *Server) purgeAge(req api.PurgeRequest) (time.Duration, error) {
	problems := httpkit.NewProblems()
	switch {
	case req.OlderThan != "" && req.OlderThanDays != nil:
		problems.Add([]string{"olderThan"}, "Give olderThan or olderThanDays, not both")
	case req.OlderThanDays != nil:
		if days := *req.OlderThanDays; days >= 0 && days <= longestAge.Hours()/24 {
			return time.Duration(days * 24 * float64(time.Hour)), nil
		}
		problems.Add([]string{"olderThanDays"}, "Must be a number of days, 0 to 36500")
	case req.OlderThan != "":
		if form := ageForm.FindStringSubmatch(req.OlderThan); form != nil {
			n, err := strconv.Atoi(form[1])
			if unit := ageUnits[form[2]]; err == nil && time.Duration(n) <= longestAge/unit {
				return time.Duration(n) * unit, nil
			}
		}
		problems.Add([]string{"olderThan"}, `Must be a whole number and one of s, m, h, d and w, like "7d"`)
	default:
		// Where dead letters are kept for good, nobody asked to lose any.
		if keep := s.o.Engine.DeadLetterRetention(); keep >= 0 {
			return keep, nil
		}
		problems.Add([]string{"olderThan"}, "Required: no retention is configured")
	}
	return 0, problems.Err()
}

func wireDeadLetter(l store.DeadLetter, input json.RawMessage) api.DeadLetter {
	out := api.DeadLetter{
		ID: string(l.ID), TaskRunID: string(l.TaskRun), TaskID: string(l.Task),
		PipelineRunID: string(l.Run), PipelineID: string(l.Pipeline),
		CodeVersion: l.CodeVersion, CodeHash: l.CodeHash, Error: l.Error, Attempts: l.Attempts,
		PreviousAttempts: []api.PreviousAttempt{}, InputPath: l.InputPath, Input: input,
		FailedAt: api.At(l.FailedAt), RetriedAt: api.At(l.RetriedAt), RetryRunID: string(l.RetryRun),
	}
	// The refs were stored as JSON; writing them again cannot fail.
	out.UpstreamRefs, _ = json.Marshal(l.UpstreamRefs)
	for _, past := range l.PreviousAttempts {
		out.PreviousAttempts = append(out.PreviousAttempts, api.PreviousAttempt(past))
	}
	return out
}
