package controlplane

import (
	"context"
	"encoding/json"

	"pipedai/api"
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

// pipeline answers GET /api/pipelines/{id}.
func (s *Server) pipeline(ctx context.Context, _ none) (api.PipelineDetail, error) {
	id := pathID(ctx)
	p, err := s.st.Pipeline(ctx, pipeline.ID(id))
	if err != nil {
		return api.PipelineDetail{}, missing(err, "Pipeline", "pipelineId", id)
	}
	return api.PipelineDetail{Pipeline: wirePipeline(p)}, nil
}

// dryRun answers POST /api/pipelines/{id}/dry-run: the plan of a run that is
// not started.
func (s *Server) dryRun(ctx context.Context, _ json.RawMessage) (api.DryRun, error) {
	id := pathID(ctx)
	found, steps, err := s.o.Engine.Plan(ctx, pipeline.ID(id))
	if err != nil {
		return api.DryRun{}, missing(err, "Pipeline", "pipelineId", id)
	}
	out := api.DryRun{Valid: found.Valid(), Errors: orEmpty(found.Errors), Warnings: orEmpty(found.Warnings), Plan: []api.PlanStep{}}
	if !out.Valid {
		return out, nil
	}
	for _, step := range steps {
		wire := api.PlanStep{Step: step.Step, Tasks: texts(step.Tasks), Type: string(step.Type), IsEnd: step.IsEnd}
		if len(step.WaitsFor) > 0 {
			wire.WaitsFor = texts(step.WaitsFor)
		}
		out.Plan = append(out.Plan, wire)
	}
	return out, nil
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
