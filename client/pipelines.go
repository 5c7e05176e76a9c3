package client

import (
	"context"
	"encoding/json"
	"net/http"

	"pipedai/api"
)

// Pipelines lists definitions by name.
func (c *Client) Pipelines(ctx context.Context) (out api.Pipelines, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/pipelines", nil, &out)
}

// Pipeline returns one definition.
func (c *Client) Pipeline(ctx context.Context, id string) (out api.PipelineDetail, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/pipelines/"+escape(id), nil, &out)
}

// PutPipeline creates or replaces a definition.
func (c *Client) PutPipeline(ctx context.Context, id string, def api.PipelineDefinition) (out api.PipelinePut, err error) {
	return out, c.call(ctx, http.MethodPut, "/api/pipelines/"+escape(id), def, &out)
}

// TryPipeline says what PutPipeline would do, and does not.
func (c *Client) TryPipeline(ctx context.Context, id string, def api.PipelineDefinition) (out api.PipelinePut, err error) {
	return out, c.call(ctx, http.MethodPut, "/api/pipelines/"+escape(id)+"?dryRun=1", def, &out)
}

// DeletePipeline deletes a definition that was put.
func (c *Client) DeletePipeline(ctx context.Context, id string) (out api.PipelineDeleted, err error) {
	return out, c.call(ctx, http.MethodDelete, "/api/pipelines/"+escape(id), nil, &out)
}

// DryRun plans a run without starting it, and checks its input; nil is none.
func (c *Client) DryRun(ctx context.Context, id string, input json.RawMessage) (out api.DryRun, err error) {
	var body any
	if input != nil {
		body = map[string]json.RawMessage{"input": input}
	}
	return out, c.call(ctx, http.MethodPost, "/api/pipelines/"+escape(id)+"/dry-run", body, &out)
}

// InputSchema returns what the input of a task must look like.
func (c *Client) InputSchema(ctx context.Context, task string) (out api.TaskSchema, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/tasks/"+escape(task)+"/input-schema", nil, &out)
}

// ValidateInput holds an input against the schema of a task.
func (c *Client) ValidateInput(ctx context.Context, task string, input json.RawMessage) (out api.InputValidation, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/tasks/"+escape(task)+"/validate-input", api.ValidateInputRequest{Input: input}, &out)
}
