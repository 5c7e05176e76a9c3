package controlplane

import (
	"context"
	"encoding/json"
	"net/http"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/pipeline"
	"pipedai/pipeline/inputschema"
	"pipedai/store"
)

// inputSchema answers GET /api/tasks/{id}/input-schema.
func (s *Server) inputSchema(ctx context.Context, _ none) (api.TaskSchema, error) {
	task, err := s.definedTask(ctx)
	if err != nil {
		return api.TaskSchema{}, err
	}
	out := api.TaskSchema{TaskID: string(task.ID), HasSchema: task.InputSchema != nil, Schema: json.RawMessage("null")}
	if out.HasSchema {
		out.Schema = task.InputSchema
	}
	return out, nil
}

// validateInput answers POST /api/tasks/{id}/validate-input: whether an input
// fits, without running anything.
func (s *Server) validateInput(ctx context.Context, req api.ValidateInputRequest) (api.InputValidation, error) {
	task, err := s.definedTask(ctx)
	if err != nil {
		return api.InputValidation{}, err
	}
	if req.Input == nil {
		return api.InputValidation{}, &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Input is required"}
	}
	wrong, err := s.o.Engine.CheckInput(ctx, task.ID, req.Input)
	if err != nil {
		return api.InputValidation{}, missing(err, "Task", "", "")
	}
	return api.InputValidation{Valid: len(wrong) == 0, Errors: wireErrors(wrong)}, nil
}

// definedTask reads the task of the path, which is not gone with a later
// version of its service.
func (s *Server) definedTask(ctx context.Context) (store.Task, error) {
	task, err := s.st.Task(ctx, pipeline.TaskID(pathID(ctx)))
	if err == nil && task.Removed {
		err = store.ErrNotFound
	}
	return task, missing(err, "Task", "", "")
}

func wireErrors(errors []inputschema.Error) []api.FieldError {
	out := make([]api.FieldError, len(errors))
	for i, e := range errors {
		out[i] = api.FieldError{Field: e.Field, Message: e.Message, Code: e.Code}
	}
	return out
}

// wireInputErrors returns nil for none, so that the member stays away.
func wireInputErrors(errors engine.InputErrors) map[string][]api.FieldError {
	if len(errors) == 0 {
		return nil
	}
	out := make(map[string][]api.FieldError, len(errors))
	for task, list := range errors {
		out[string(task)] = wireErrors(list)
	}
	return out
}
