package pipeline_test

import (
	"testing"

	"pipedai/pipeline"
)

func TestTaskStatus_CanMove(t *testing.T) {
	t.Parallel()
	const creation = pipeline.TaskStatus("")
	all := []pipeline.TaskStatus{
		pipeline.TaskPending, pipeline.TaskWaiting, pipeline.TaskRunning,
		pipeline.TaskCompleted, pipeline.TaskFailed, pipeline.TaskTimeout, pipeline.TaskCancelled,
	}
	legal := map[[2]pipeline.TaskStatus]bool{
		{creation, pipeline.TaskPending}:                 true,
		{creation, pipeline.TaskRunning}:                 true,
		{creation, pipeline.TaskCompleted}:               true,
		{pipeline.TaskPending, pipeline.TaskRunning}:     true,
		{pipeline.TaskPending, pipeline.TaskCancelled}:   true,
		{pipeline.TaskWaiting, pipeline.TaskPending}:     true,
		{pipeline.TaskWaiting, pipeline.TaskCancelled}:   true,
		{pipeline.TaskRunning, pipeline.TaskCompleted}:   true,
		{pipeline.TaskRunning, pipeline.TaskFailed}:      true,
		{pipeline.TaskRunning, pipeline.TaskTimeout}:     true,
		{pipeline.TaskRunning, pipeline.TaskCancelled}:   true,
		{pipeline.TaskRunning, pipeline.TaskPending}:     true,
		{pipeline.TaskCompleted, pipeline.TaskRunning}:   false,
		{pipeline.TaskCompleted, pipeline.TaskFailed}:    false,
		{pipeline.TaskCancelled, pipeline.TaskRunning}:   false,
		{pipeline.TaskPending, pipeline.TaskCompleted}:   false,
		{pipeline.TaskFailed, pipeline.TaskPending}:      false,
		{pipeline.TaskTimeout, pipeline.TaskCompleted}:   false,
		{pipeline.TaskRunning, pipeline.TaskRunning}:     false,
		{pipeline.TaskWaiting, pipeline.TaskRunning}:     false,
		{pipeline.TaskCompleted, pipeline.TaskCancelled}: false,
	}
	for _, from := range append(all, creation) {
		for _, to := range all {
			if got, want := from.CanMove(to), legal[[2]pipeline.TaskStatus{from, to}]; got != want {
				t.Errorf("%q to %q: got %v, want %v", from, to, got, want)
			}
		}
		if from.CanMove(creation) {
			t.Errorf("%q can be uncreated", from)
		}
	}
}

func TestTaskStatus_Terminal(t *testing.T) {
	t.Parallel()
	tests := map[pipeline.TaskStatus]bool{
		"": false, "nonsense": false,
		pipeline.TaskPending: false, pipeline.TaskWaiting: false, pipeline.TaskRunning: false,
		pipeline.TaskCompleted: true, pipeline.TaskFailed: true, pipeline.TaskTimeout: true, pipeline.TaskCancelled: true,
	}
	for status, want := range tests {
		if got := status.Terminal(); got != want {
			t.Errorf("%q: got %v, want %v", status, got, want)
		}
	}
}

func TestRunStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		from     pipeline.RunStatus
		to       []pipeline.RunStatus
		terminal bool
	}{
		{"", []pipeline.RunStatus{pipeline.RunPending, pipeline.RunRunning}, false},
		{pipeline.RunPending, []pipeline.RunStatus{pipeline.RunRunning, pipeline.RunCancelled}, false},
		{pipeline.RunRunning, []pipeline.RunStatus{pipeline.RunCompleted, pipeline.RunFailed, pipeline.RunPartial, pipeline.RunCancelled}, false},
		{pipeline.RunFailed, []pipeline.RunStatus{pipeline.RunRunning}, true},
		{pipeline.RunPartial, []pipeline.RunStatus{pipeline.RunRunning}, true},
		{pipeline.RunCompleted, nil, true},
		{pipeline.RunCancelled, []pipeline.RunStatus{pipeline.RunRunning}, true},
	}
	for _, tt := range tests {
		legal := map[pipeline.RunStatus]bool{}
		for _, to := range tt.to {
			legal[to] = true
		}
		for _, other := range tests {
			if got, want := tt.from.CanMove(other.from), legal[other.from]; got != want {
				t.Errorf("%q to %q: got %v, want %v", tt.from, other.from, got, want)
			}
		}
		if got := tt.from.Terminal(); got != tt.terminal {
			t.Errorf("%q terminal: got %v, want %v", tt.from, got, tt.terminal)
		}
	}
}
