package controlplane

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

// controls are the members of a trigger that say how to run. The wire type
// api.TriggerRequest holds whole numbers; here a fraction must be told apart
// from a number that was given well.
type controls struct {
	FailureMode    string          `json:"failureMode" validate:"omitempty,oneof=fail-fast continue partial-merge"`
	Priority       *float64        `json:"priority"`
	Metadata       json.RawMessage `json:"metadata"`
	ValidationMode string          `json:"validationMode" validate:"omitempty,oneof=strict warn none"`
	IdempotencyKey string          `json:"idempotencyKey" validate:"max=255"`
	ScheduledFor   *api.Time       `json:"scheduledFor"`
	StorageBackend string          `json:"storageBackend" validate:"max=255"`
}

var controlNames = map[string]bool{
	"failureMode": true, "priority": true, "metadata": true,
	"validationMode": true, "idempotencyKey": true, "scheduledFor": true, "storageBackend": true,
}

// trigger answers POST /api/pipelines/{id}/trigger. What it finds wrong it
// reports in the contract's order: maintenance, body, pipeline, graph, input.
func (s *Server) trigger(ctx context.Context, raw json.RawMessage) (api.TriggerResponse, error) {
	input, control, err := s.readTrigger(raw)
	if err != nil {
		return api.TriggerResponse{}, s.maintenanceFirst(ctx, err)
	}
	id := pathID(ctx)
	request := engine.Trigger{
		Pipeline:       pipeline.ID(id),
		Input:          input,
		FailureMode:    pipeline.FailureMode(control.FailureMode),
		Priority:       wholeNumber(control.Priority),
		Metadata:       control.Metadata,
		IdempotencyKey: control.IdempotencyKey,
		ScheduledFor:   instant(control.ScheduledFor),
		Validation:     engine.ValidationMode(control.ValidationMode),
		Backend:        control.StorageBackend,
		By:             caller(ctx).name,
	}
	started, err := s.o.Engine.Trigger(ctx, request)
	if err != nil {
		return api.TriggerResponse{}, missing(err, "Pipeline", "pipelineId", id)
	}
	out := api.TriggerResponse{
		PipelineRunID: string(started.Run.ID),
		Status:        string(started.Run.Status),
		InputPath:     started.Run.InputPath,
		EntryTasks:    texts(started.Run.EntryTasks),
		QueuedTasks:   []string{},

		ValidationWarnings: wireInputErrors(started.Warnings),
	}
	for _, entry := range started.Entries {
		out.QueuedTasks = append(out.QueuedTasks, string(entry.ID))
	}
	s.o.Log.DebugContext(ctx, "pipeline triggered", "pipeline", id, "run", out.PipelineRunID, "request", httpkit.RequestID(ctx))
	return out, nil
}

// readTrigger tells the two forms of a body apart. A body with an "input"
// member is an envelope, and so is one that holds nothing but control members;
// any other body is the input itself, byte for byte.
func (s *Server) readTrigger(raw json.RawMessage) (input json.RawMessage, control controls, err error) {
	switch httpkit.Kind(raw) {
	case "object":
	case "array":
		return raw, control, nil
	default:
		return nil, control, httpkit.Invalid("Expected object, received " + httpkit.Kind(raw))
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, control, err // not reached: raw was decoded once
	}
	input, envelope := members["input"]
	if !envelope {
		for name := range members {
			if !controlNames[name] {
				return raw, control, nil
			}
		}
	}
	if err := httpkit.Bind(raw, &control); err != nil {
		return nil, control, err
	}
	if err := checkControls(control.Priority, control.Metadata); err != nil {
		return nil, control, err
	}
	return object(input), control, nil
}

// checkControls refuses what the validator's tags cannot say.
func checkControls(priority *float64, metadata json.RawMessage) error {
	problems := httpkit.NewProblems()
	noteControls(problems, nil, priority, metadata)
	return problems.Err()
}

// noteControls is checkControls for one of several requests in a body.
func noteControls(problems httpkit.Problems, path []string, priority *float64, metadata json.RawMessage) {
	if priority != nil {
		switch n := *priority; {
		case n != math.Trunc(n):
			problems.Add(httpkit.Child(path, "priority"), "Expected integer, received float")
		case math.Abs(n) > math.MaxInt32:
			problems.Add(httpkit.Child(path, "priority"), "Number is out of range")
		}
	}
	if metadata != nil && httpkit.Kind(metadata) != "object" {
		problems.Add(httpkit.Child(path, "metadata"), "Expected object, received "+httpkit.Kind(metadata))
	}
}

// maintenanceFirst puts "in maintenance mode" before a problem of the body,
// as the contract orders them.
func (s *Server) maintenanceFirst(ctx context.Context, problem error) error {
	mode, err := s.st.Mode(ctx)
	if err != nil {
		return err
	}
	if mode.Mode != store.ModeRunning {
		return store.ErrMaintenance
	}
	return problem
}

func wholeNumber(n *float64) *int {
	if n == nil {
		return nil
	}
	whole := int(*n)
	return &whole
}

func instant(t *api.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
