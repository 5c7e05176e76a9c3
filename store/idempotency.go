package store

import (
	"context"

	"pipedai/pipeline"
)

// Idempotency answers workers that know a key for what they are about to do.
// The keys of callers are handled by EnqueueTasks and StartRuns.
//
// A key of a task is scoped by the task. While a task run that has it is open,
// whoever asks for the same is given that one; once it completed with an
// output, and until the task's time to live since then is over, a new task run
// is born completed with that output. Failures are never remembered. A key of
// a pipeline is scoped by the pipeline, and answered with the run that has it
// while that is open, or completed and within StartRun.IdempotencyTTL.
type Idempotency interface {
	// CheckIdempotency gives the attempt a key, unless its result is known or
	// another attempt under lease has it. From a task run that is pending it is
	// taken away, because that one might wait for this one to end. A result in
	// another storage backend than that of the attempt's run is no hit, and the
	// key is not given then. ErrLeaseLost or ErrNotFound as in EndAttempts.
	CheckIdempotency(ctx context.Context, ref AttemptRef, key string) (IdempotencyAnswer, error)
}

// IdempotencyAnswer says what is known of a key.
type IdempotencyAnswer struct {
	Hit        bool // use this result, do not execute
	InProgress bool // another attempt under lease has the key: ask again later
	Of         pipeline.TaskRunID
	OutputPath string
	OutputSize int64
	SHA256     string
	Assets     map[string]Asset
	// SelectedNext is what the attempt that made the result selected; nil: all.
	SelectedNext []pipeline.TaskID
}
