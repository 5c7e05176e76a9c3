package store

import (
	"context"
	"time"

	"pipedai/pipeline"
)

// Glances tells a replica that has nothing to do whether that is still so.
type Glances interface {
	// Glance looks at the whole queue with one statement that takes no lock. What
	// it says may be over a moment later; the steps it leads to find out.
	Glance(ctx context.Context) (Glance, error)
}

// Glance is one look at the queue.
type Glance struct {
	// Ready are the services that a task run waits for, ascending. It may be one
	// that cannot be claimed for now: its task is at its limit.
	Ready []pipeline.ServiceID
	// Push says that one of them is reached by push.
	Push bool
	// Expired says that Rescue has something to take back.
	Expired bool
	// Due says that PromoteDue has something to promote, and NextDue when it has,
	// also if that is now; zero when nothing waits for its time.
	Due     bool
	NextDue time.Time
	// Mode is the maintenance mode.
	Mode Mode
}
