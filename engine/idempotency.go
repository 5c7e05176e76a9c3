package engine

import (
	"context"
	"fmt"

	"pipedai/store"
)

// CheckIdempotency answers a worker that knows a key for what it is about to
// do: the result that is known, or that another open task run has the key, or
// neither, and then the key is the attempt's. It fails with store.ErrLeaseLost
// and store.ErrNotFound as Report does.
func (e *Engine) CheckIdempotency(ctx context.Context, ref store.AttemptRef, key string) (store.IdempotencyAnswer, error) {
	answer, err := e.store.CheckIdempotency(ctx, ref, key)
	if err != nil {
		return store.IdempotencyAnswer{}, fmt.Errorf("check idempotency key of %s: %w", ref.ID, err)
	}
	return answer, nil
}
