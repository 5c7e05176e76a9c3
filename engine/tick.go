package engine

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Tick runs one bounded round of everything a standalone engine does in the
// background: it takes back lost runs, makes due ones claimable, claims what
// fits, returns when every dispatch has ended, gives upkeep its turn, and enters maintenance when that
// was waited for and nothing is left. processed is how many task
// runs it took, those whose dispatch failed included. more says that another
// round would find work now.
//
// It works in both modes, and one part that fails does not keep the others
// from their turn.
func (e *Engine) Tick(ctx context.Context) (processed int, more bool, err error) {
	begun := time.Now()
	_, moreLost, rescueErr := rescuer{e}.once(ctx)
	promoted, _, dueErr := promoter{e}.once(ctx)
	var dispatches sync.WaitGroup
	claimed, moreReady, claimErr := e.claimer.once(ctx, &dispatches)
	dispatches.Wait()
	e.acceptances.flush() // nobody may be there later to do it
	e.logTick(claimed, time.Since(begun))
	return claimed, moreLost || moreReady || promoted >= dueBatch, errors.Join(rescueErr, dueErr, claimErr, e.mode.once(ctx), e.live.once(ctx), e.upkeep.once(ctx), roller{e}.once(ctx))
}
