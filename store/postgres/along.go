package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"pipedai/store"
)

// durability says when the commit of a step waits for the disk.
type durability int

const (
	atOnce durability = iota
	later             // the caller sees to it, with flush, before anybody hears of the step
)

// queue is for the beginning of the step's transaction.
func (d durability) queue(b *pgx.Batch) {
	if d == later {
		b.Queue(commitLater)
	}
}

// StartAndClaim is two transactions with one wait for the disk. A run that an
// idempotency key names may be told to somebody else as soon as it is committed,
// so those wait at once.
func (s *Store) StartAndClaim(ctx context.Context, runs []store.StartRun, p store.ClaimTasks) ([]store.StartedRun, []store.Claimed, error) {
	commit := later
	if slices.ContainsFunc(runs, func(r store.StartRun) bool { return r.IdempotencyKey != "" }) {
		commit = atOnce
	}
	out, err := s.startRuns(ctx, runs, commit)
	if err != nil {
		return nil, nil, err
	}
	claimed, err := s.claimAfter(ctx, p, commit)
	return out, claimed, err
}

// EndAndClaim is two transactions with one wait for the disk, or, for slots
// only, one.
func (s *Store) EndAndClaim(ctx context.Context, ends []store.EndAttempt, p store.ClaimTasks) ([]store.EndedAttempt, []store.Claimed, error) {
	if p.SlotsOnly {
		return s.endAndHandOver(ctx, ends, p)
	}
	out, err := s.endAttempts(ctx, ends, later, nil)
	if err != nil {
		return out, nil, err
	}
	claimed, err := s.claimAfter(ctx, p, later)
	return out, claimed, err
}

// claimAfter claims after a step and makes both durable. A claim that took
// something has waited for the disk, and so for all that was committed before.
func (s *Store) claimAfter(ctx context.Context, p store.ClaimTasks, commit durability) ([]store.Claimed, error) {
	claimed, _ := s.ClaimTasks(ctx, p) // a failed claim took nothing that anybody was told of
	if len(claimed) > 0 || commit == atOnce {
		return claimed, nil
	}
	_, err := s.pool.Exec(ctx, `select pg_logical_emit_message(true, 'pipeweave', '')`)
	if err != nil {
		return nil, fmt.Errorf("wait for the disk: %w: %w", store.ErrUnsure, err)
	}
	return nil, nil
}
