package store

import (
	"context"

	"pipedai/pipeline"
)

// Catalog keeps what workers announce and what is defined: services, tasks,
// code versions and pipelines.
type Catalog interface {
	// Register stores a service and its tasks in one transaction: bumps code
	// versions whose hash differs and records every version in the history,
	// cancels open runs of tasks that a new service version no longer has, and
	// renews the pipelines derived from all registered tasks (one per service,
	// one per entry task; never replacing an explicit definition, and a service
	// id wins over an equal task id).
	Register(ctx context.Context, p Register) (Registered, error)
	Services(ctx context.Context) ([]Service, error) // newest registration first
	Service(ctx context.Context, id pipeline.ServiceID) (Service, error)
	// Tasks lists definitions by id; an empty service means all.
	Tasks(ctx context.Context, service pipeline.ServiceID) ([]Task, error)
	Task(ctx context.Context, id pipeline.TaskID) (Task, error)
	// TaskHistory lists the code versions of a task, newest first.
	TaskHistory(ctx context.Context, id pipeline.TaskID) ([]CodeVersion, error)

	// PutPipeline creates or replaces an explicit definition. One that is as it
	// was keeps its time of change. Register renews its graph, and nothing else
	// of it, when its tasks lead elsewhere.
	PutPipeline(ctx context.Context, p Pipeline) (Pipeline, error)
	// DeletePipeline removes an explicit definition (a derived one may take its
	// place); its runs stay readable. ErrConflict for a derived one, and while a
	// run of it is active, or an attempt of an ended one is still under way.
	DeletePipeline(ctx context.Context, id pipeline.ID) error
	Pipelines(ctx context.Context) ([]Pipeline, error) // by name
	Pipeline(ctx context.Context, id pipeline.ID) (Pipeline, error)
}

// Register announces a service.
type Register struct {
	Service Service
	Tasks   []Task // CodeVersion, times and Removed are ignored
}

// Registered says what a registration changed.
type Registered struct {
	CodeChanges []CodeChange
	Orphaned    []pipeline.TaskID // removed with this version, reported once
	// TakenOver are tasks that belonged to another service until now. Task ids
	// are global, so this may be a move, or a mistake of one of the two.
	TakenOver []TakenOver
	// Runs lists pipeline runs that changed because open tasks were cancelled.
	Runs []pipeline.RunID
}

// TakenOver is a task that moved to the service that registered it.
type TakenOver struct {
	Task pipeline.TaskID
	From pipeline.ServiceID
}

// CodeChange is a task whose code hash differs from the stored one.
type CodeChange struct {
	Task                   pipeline.TaskID
	OldHash, NewHash       string
	OldVersion, NewVersion int
}

// Registrations is the graph of everything registered: every task that was
// not removed, and where it leads.
func Registrations(tasks []Task) pipeline.Structure {
	all := pipeline.Structure{}
	for _, t := range tasks {
		if !t.Removed {
			all[t.ID] = pipeline.Node{AllowedNext: append([]pipeline.TaskID{}, t.AllowedNext...)}
		}
	}
	return all
}
