package store

import (
	"context"
	"time"

	"pipedai/pipeline"
)

// Liveness keeps what is known about whether services are there.
type Liveness interface {
	// NoteServices notes signs of life and marks services that gave none for
	// long, in one step: those heard of are active; those that a dispatch did not
	// reach, and that were not heard of, are disconnected; others change by their
	// silence. It returns those whose status changed, by id. A service that is
	// unknown is left out.
	NoteServices(ctx context.Context, p NoteServices) ([]Service, error)
}

// NoteServices are the signs of one span of time.
type NoteServices struct {
	// Heard and HeardTasks were heard of: services by their ids, or by tasks of
	// theirs.
	Heard      []pipeline.ServiceID
	HeardTasks []pipeline.TaskID
	// Lost are services that a dispatch did not reach.
	Lost []pipeline.ServiceID
	// How long a service may be silent: one that is reached by push has nothing
	// to say while it has nothing to do, and becomes inactive; one whose workers
	// pull asks all the time, becomes inactive sooner, and disconnected in the end.
	PushInactive, PullInactive, PullDisconnected time.Duration
}
