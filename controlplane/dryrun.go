package controlplane

import (
	"context"
	"encoding/json"

	"pipedai/api"
	"pipedai/pipeline"
)

// dryRunRequest is the optional body of a dry run.
type dryRunRequest struct {
	Input json.RawMessage `json:"input,omitempty"` // checked when it is there
}

// dryRun answers POST /api/pipelines/{id}/dry-run: the plan of a run that is
// not started.
func (s *Server) dryRun(ctx context.Context, req dryRunRequest) (api.DryRun, error) {
	id := pathID(ctx)
	planned, err := s.o.Engine.Plan(ctx, pipeline.ID(id), req.Input)
	if err != nil {
		return api.DryRun{}, missing(err, "Pipeline", "pipelineId", id)
	}
	found := planned.Validation
	out := api.DryRun{Valid: found.Valid(), Errors: orEmpty(found.Errors), Warnings: orEmpty(found.Warnings), Plan: []api.PlanStep{}}
	out.InputErrors = wireInputErrors(planned.Input)
	for task, schema := range planned.Schemas {
		if out.InputSchemas == nil {
			out.InputSchemas = map[string]json.RawMessage{}
		}
		out.InputSchemas[string(task)] = schema
	}
	for _, step := range planned.Steps {
		wire := api.PlanStep{Step: step.Step, Tasks: texts(step.Tasks), Type: string(step.Type), IsEnd: step.IsEnd}
		if len(step.WaitsFor) > 0 {
			wire.WaitsFor = texts(step.WaitsFor)
		}
		for _, task := range step.Tasks {
			if limit, limited := planned.Limits[task]; limited {
				if wire.Concurrency == nil {
					wire.Concurrency = map[string]int{}
				}
				wire.Concurrency[string(task)] = limit
			}
		}
		out.Plan = append(out.Plan, wire)
	}
	return out, nil
}
