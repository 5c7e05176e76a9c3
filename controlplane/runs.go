package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// runs answers GET /api/runs, newest first.
func (s *Server) runs(ctx context.Context, _ none) (api.Runs, error) {
	q := queryOf(ctx)
	f := store.RunFilter{
		Pipeline: pipeline.ID(q.text("pipelineId")),
		Version:  q.text("version"),
		Status:   pipeline.RunStatus(statusAlias(q.text("status"))),
		Text:     q.text("text"),
		From:     q.time("from"),
		To:       q.time("to"),
		Limit:    q.number("limit", 100, 1, 1000),
		Offset:   q.number("offset", 0, 0, 1<<31-1),
	}
	if err := q.err(); err != nil {
		return api.Runs{}, err
	}
	page, total, err := s.st.PipelineRuns(ctx, f)
	if err != nil {
		return api.Runs{}, err
	}
	out := api.Runs{Runs: []api.Run{}, Total: total, Limit: f.Limit, Offset: f.Offset}
	for _, run := range page {
		out.Runs = append(out.Runs, wireRun(run))
	}
	return out, nil
}

// run answers GET /api/runs/{id}, with the run's tasks by creation.
func (s *Server) run(ctx context.Context, _ none) (api.RunDetail, error) {
	id := pathID(ctx)
	run, err := s.st.PipelineRun(ctx, pipeline.RunID(id))
	if err != nil {
		return api.RunDetail{}, missing(err, "Run", "runId", id)
	}
	tasks, err := s.st.TasksOfRun(ctx, run.ID)
	if err != nil {
		return api.RunDetail{}, err
	}
	out := api.RunDetail{Run: wireRun(run), PipelineRunID: string(run.ID), Tasks: []api.TaskRun{}}
	for _, t := range tasks {
		out.Tasks = append(out.Tasks, wireTaskRun(t))
	}
	return out, nil
}

// maxChanges is the most task runs of each kind that one answer has: those
// that were named, and new ones. Behind it the whole run is the shorter way.
const maxChanges = 500

// runChanges answers GET /api/runs/{id}/changes.
func (s *Server) runChanges(ctx context.Context, _ none) (api.RunChanges, error) {
	id := pathID(ctx)
	q := queryOf(ctx)
	news := store.RunNews{Run: pipeline.RunID(id), After: pipeline.TaskRunID(q.text("after")), Limit: maxChanges}
	for name := range strings.SplitSeq(q.text("ids"), ",") {
		if name != "" {
			news.Named = append(news.Named, pipeline.TaskRunID(name))
		}
	}
	if len(news.Named) > maxChanges {
		q.problems.Add([]string{"ids"}, fmt.Sprintf("Array must contain at most %d element(s)", maxChanges))
	}
	if err := q.err(); err != nil {
		return api.RunChanges{}, err
	}
	// The run comes first: what ended after it is in the tasks already, and the
	// event of that end is still to come.
	run, err := s.st.PipelineRun(ctx, news.Run)
	if err != nil {
		return api.RunChanges{}, missing(err, "Run", "runId", id)
	}
	tasks, total, err := s.st.NewsOfRun(ctx, news)
	if err != nil {
		return api.RunChanges{}, err
	}
	out := api.RunChanges{
		Status: string(run.Status), OutputPath: run.OutputPath, Error: run.Error,
		StartedAt: api.At(run.StartedAt), CompletedAt: api.At(run.CompletedAt), Total: total, Tasks: []api.TaskRun{},
	}
	for _, t := range tasks {
		out.Tasks = append(out.Tasks, wireTaskRun(t))
	}
	return out, nil
}

// taskRun answers GET /api/task-runs/{id}. A wire id names its task run too.
func (s *Server) taskRun(ctx context.Context, _ none) (api.TaskRun, error) {
	given := pathID(ctx)
	id, _ := pipeline.ParseWire(given)
	t, err := s.st.TaskRun(ctx, id)
	if err != nil {
		return api.TaskRun{}, missing(err, "Task run", "taskRunId", given)
	}
	return wireTaskRun(t), nil
}

// cancelRequest is the optional body of a cancellation.
type cancelRequest struct {
	Reason string `json:"reason" validate:"max=1000"`
}

// cancelRun answers POST /api/runs/{id}/cancel.
func (s *Server) cancelRun(ctx context.Context, req cancelRequest) (api.Run, error) {
	id := pathID(ctx)
	if req.Reason == "" {
		req.Reason = "cancelled by " + caller(ctx).name
	}
	run, err := s.o.Engine.CancelRun(ctx, pipeline.RunID(id), req.Reason)
	switch {
	case errors.Is(err, store.ErrConflict):
		return api.Run{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: "Run has ended",
			Extra: map[string]any{"runId": id},
		}
	case err != nil:
		return api.Run{}, missing(err, "Run", "runId", id)
	}
	s.o.Log.InfoContext(ctx, "run cancelled", "run", id, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return wireRun(run), nil
}

// cancelTaskRun answers POST /api/task-runs/{id}/cancel.
func (s *Server) cancelTaskRun(ctx context.Context, req cancelRequest) (api.TaskRun, error) {
	given := pathID(ctx)
	id, _ := pipeline.ParseWire(given)
	if req.Reason == "" {
		req.Reason = "cancelled by " + caller(ctx).name
	}
	run, err := s.o.Engine.CancelTaskRun(ctx, id, req.Reason)
	if err != nil {
		return api.TaskRun{}, missing(refusedAs(err, "taskRunId", given), "Task run", "taskRunId", given)
	}
	s.o.Log.InfoContext(ctx, "task run cancelled", "task_run", id, "by", caller(ctx).name, "request", httpkit.RequestID(ctx))
	return wireTaskRun(run), nil
}

func wireRun(r store.PipelineRun) api.Run {
	return api.Run{
		ID: string(r.ID), PipelineID: string(r.Pipeline), PipelineVersion: r.Version,
		Status: string(r.Status), FailureMode: string(r.FailureMode),
		InputPath: r.InputPath, OutputPath: r.OutputPath,
		StructureSnapshot: wireStructure(r.Structure), EntryTasks: texts(r.EntryTasks),
		Error: r.Error, Metadata: object(r.Metadata), TriggeredBy: r.TriggeredBy,
		CreatedAt: api.At(r.CreatedAt), StartedAt: api.At(r.StartedAt), CompletedAt: api.At(r.CompletedAt),
	}
}

func wireTaskRun(t store.TaskRun) api.TaskRun {
	out := api.TaskRun{
		ID: string(t.ID), TaskID: string(t.Task), PipelineRunID: string(t.Run), Status: string(t.Status),
		CodeVersion: t.CodeVersion, CodeHash: t.CodeHash, CodeChanged: t.CodeChanged, FirstRun: t.FirstRun,
		Attempt: t.Attempt, MaxRetries: t.MaxRetries, Priority: t.Priority,
		InputPath: t.InputPath, OutputPath: t.OutputPath, LogsPath: t.LogsPath,
		Error: t.Error, ErrorCode: t.ErrorCode, IdempotencyKey: t.IdempotencyKey,
		PreviousAttempts: []api.PreviousAttempt{},
		ScheduledAt:      api.At(t.ScheduledFor), StartedAt: api.At(t.StartedAt), CompletedAt: api.At(t.CompletedAt),
		LastHeartbeat: api.At(t.HeartbeatAt), CreatedAt: api.At(t.CreatedAt),
		Metadata: withProgress(t), SupersededBy: string(t.SupersededBy),
	}
	if t.OutputPath != "" {
		out.OutputSize = &t.OutputSize
	}
	for key, asset := range t.Assets {
		if out.Assets == nil {
			out.Assets = map[string]api.Asset{}
		}
		out.Assets[key] = api.Asset(asset)
	}
	// The refs were stored as JSON; writing them again cannot fail.
	out.UpstreamRefs, _ = json.Marshal(t.UpstreamRefs)
	if t.SelectedNext != nil {
		selected := texts(t.SelectedNext)
		out.SelectedNext = &selected
	}
	for _, past := range t.PreviousAttempts {
		out.PreviousAttempts = append(out.PreviousAttempts, api.PreviousAttempt(past))
	}
	return out
}

// withProgress is the metadata of a task run with its progress in it.
func withProgress(t store.TaskRun) json.RawMessage {
	if t.Progress == nil && t.ProgressMessage == "" {
		return object(t.Metadata)
	}
	members := map[string]any{}
	if err := json.Unmarshal(object(t.Metadata), &members); err != nil {
		members = map[string]any{} // metadata that is no object cannot hold members
	}
	if t.Progress != nil {
		members["progress"] = *t.Progress
	}
	if t.ProgressMessage != "" && utf8.ValidString(t.ProgressMessage) {
		members["progressMessage"] = t.ProgressMessage
	}
	out, err := json.Marshal(members)
	if err != nil {
		return object(t.Metadata)
	}
	return out
}
