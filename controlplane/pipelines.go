package controlplane

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// pipelines answers GET /api/pipelines, by name.
func (s *Server) pipelines(ctx context.Context, _ none) (api.Pipelines, error) {
	all, err := s.st.Pipelines(ctx)
	if err != nil {
		return api.Pipelines{}, err
	}
	out := api.Pipelines{Pipelines: []api.Pipeline{}}
	for _, p := range all {
		out.Pipelines = append(out.Pipelines, wirePipeline(p))
	}
	return out, nil
}

// recentRuns answers GET /api/recent-runs.
func (s *Server) recentRuns(ctx context.Context, _ none) (api.RecentRuns, error) {
	q := queryOf(ctx)
	most := q.number("limit", 20, 1, 200)
	if err := q.err(); err != nil {
		return api.RecentRuns{}, err
	}
	runs, err := s.st.RecentRuns(ctx, most)
	if err != nil {
		return api.RecentRuns{}, err
	}
	out := api.RecentRuns{Limit: most, Pipelines: map[string][]api.RunGlance{}}
	for _, r := range runs {
		out.Pipelines[string(r.Pipeline)] = append(out.Pipelines[string(r.Pipeline)], api.RunGlance{
			ID: string(r.ID), Status: string(r.Status),
			CreatedAt: api.At(r.CreatedAt), StartedAt: api.At(r.StartedAt), CompletedAt: api.At(r.CompletedAt),
		})
	}
	return out, nil
}

// pipeline answers GET /api/pipelines/{id}.
func (s *Server) pipeline(ctx context.Context, _ none) (api.PipelineDetail, error) {
	id := pathID(ctx)
	p, err := s.st.Pipeline(ctx, pipeline.ID(id))
	if err != nil {
		return api.PipelineDetail{}, missing(err, "Pipeline", "pipelineId", id)
	}
	return api.PipelineDetail{Pipeline: wirePipeline(p)}, nil
}

// putPipeline answers PUT /api/pipelines/{id}: a definition that people write.
// With ?dryRun=1 it is only looked at.
func (s *Server) putPipeline(ctx context.Context, req api.PipelineDefinition) (api.PipelinePut, error) {
	id := pathID(ctx)
	if err := checkDefinition(id, req); err != nil {
		return api.PipelinePut{}, err
	}
	try := httpkit.Query(ctx, "dryRun")
	stored, found, err := s.o.Engine.Define(ctx, engine.Define{
		ID: pipeline.ID(id), Name: req.Name, Description: req.Description,
		EntryTasks:  typed[pipeline.TaskID](req.EntryTasks),
		FailureMode: pipeline.FailureMode(req.FailureMode), Version: req.Version, Metadata: object(req.Metadata),
		Try: try == "1" || try == "true",
	})
	if err != nil {
		return api.PipelinePut{}, err
	}
	return api.PipelinePut{
		Pipeline:   wirePipeline(stored),
		Validation: api.Validation{Valid: found.Valid(), Errors: orEmpty(found.Errors), Warnings: orEmpty(found.Warnings)},
	}, nil
}

// checkDefinition refuses what the validator's tags cannot say.
func checkDefinition(id string, req api.PipelineDefinition) error {
	problems := httpkit.NewProblems()
	if !pipeline.ValidID(id) {
		problems.Add([]string{"id"}, pipeline.IDRule)
	}
	seen := map[string]bool{}
	for i, task := range req.EntryTasks {
		path := []string{"entryTasks", strconv.Itoa(i)}
		switch {
		case !pipeline.ValidID(task):
			problems.Add(path, pipeline.IDRule)
		case seen[task]:
			problems.Add(path, "Task '"+task+"' is given twice")
		}
		seen[task] = true
	}
	if req.Metadata != nil && httpkit.Kind(req.Metadata) != "object" {
		problems.Add([]string{"metadata"}, "Expected object, received "+httpkit.Kind(req.Metadata))
	}
	return problems.Err()
}

// deletePipeline answers DELETE /api/pipelines/{id}.
func (s *Server) deletePipeline(ctx context.Context, _ none) (api.PipelineDeleted, error) {
	id := pathID(ctx)
	err := s.o.Engine.Undefine(ctx, pipeline.ID(id))
	if errors.Is(err, store.ErrConflict) {
		return api.PipelineDeleted{}, s.whyKept(ctx, id)
	}
	if err != nil {
		return api.PipelineDeleted{}, missing(err, "Pipeline", "pipelineId", id)
	}
	return api.PipelineDeleted{Success: true, PipelineID: id}, nil
}

// whyKept says which of the two conflicts kept a definition.
func (s *Server) whyKept(ctx context.Context, id string) error {
	p, err := s.st.Pipeline(ctx, pipeline.ID(id))
	if err != nil {
		return missing(err, "Pipeline", "pipelineId", id)
	}
	out := &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Extra: map[string]any{"pipelineId": id}}
	if p.Source == "service" || p.Source == "task" {
		out.Message = "Pipeline is derived from registered tasks"
		out.Fix = "it goes when the tasks do; an explicit definition of the same id replaces it"
	} else {
		out.Message = "Pipeline has active runs"
		out.Fix = "wait for them, or cancel them"
	}
	return out
}

func wirePipeline(p store.Pipeline) api.Pipeline {
	out := api.Pipeline{
		ID: string(p.ID), Name: p.Name, EntryTasks: texts(p.EntryTasks), Structure: wireStructure(p.Structure),
		Version: p.Version, FailureMode: string(p.FailureMode),
		CreatedAt: api.At(p.CreatedAt), UpdatedAt: api.At(p.UpdatedAt), Metadata: object(p.Metadata),
	}
	if p.Description != "" {
		out.Description = &p.Description
	}
	return out
}

func wireStructure(s pipeline.Structure) map[string]api.PipelineNode {
	out := map[string]api.PipelineNode{}
	for task, node := range s {
		out[string(task)] = api.PipelineNode{AllowedNext: texts(node.AllowedNext)}
	}
	return out
}
