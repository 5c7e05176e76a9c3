package postgres

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"pipedai/store/internal/flow"
)

// Counts are kept in rows that nearly every step updates, and every claim under
// a limit of the installation reads. While somebody holds a snapshot open none of
// their versions can be cleaned away, and whoever wants a row walks over all of
// them. So the rows move: once there are many versions, a new set of rows takes
// over under higher numbers, and what is dead lies where nobody looks.
const (
	// shards is the number of rows in a set. Number 0 is outside the sets: it
	// belongs to the triggers that follow what other programs do.
	shards = 64
	// rowsOf is where the newest set begins. Its last row is the end of the index.
	rowsOf = `(select max(shard) / 64 * 64 from counters)`
	// runningNow counts what runs without a look at the sets before.
	runningNow = `(select sum(running) from (select running from counters where shard = 0
		union all select running from counters where shard > 0 and shard >= ` + rowsOf + `) c)`

	moveEvery = 2000      // steps of this process between two looks
	moveFrom  = 16 * 8192 // bytes by which the table must have grown meanwhile
)

// shardOf is the row of the set that the steps of a connection change.
// Those of other connections would have to wait for their commits; processes
// of one server are numbered one after the other, so few share one.
func shardOf(c *pgxpool.Conn) int { return 1 + int(c.Conn().PgConn().PID()%(shards-1)) }

// count changes the kept counts.
func (t *tx) count(c flow.Counts) {
	if c == (flow.Counts{}) {
		return
	}
	t.end.Queue(`update counters set pending = pending + $1, running = running + $2, completed = completed + $3,
		failed = failed + $4, dead_letters = dead_letters + $5 where shard = `+rowsOf+` + $6`,
		c.Pending, c.Running, c.Completed, c.Failed, c.DeadLetters, shardOf(t.c))
	t.after = append(t.after, func() { t.s.counts.steps.Add(1) })
}

// counts is what a store knows of its changes to counters.
type counts struct {
	steps atomic.Int64 // since the last look
	size  atomic.Int64 // of the table when the rows were last moved
}

// moveCounts lets a new set of rows take over, if the versions of this one are
// many because they cannot be cleaned away. Nobody misses it when it fails.
func (s *Store) moveCounts(ctx context.Context) {
	if n := s.counts.steps.Load(); n < moveEvery || !s.counts.steps.CompareAndSwap(n, 0) {
		return
	}
	var size int64
	if err := s.row(ctx, `select pg_relation_size('counters')`, nil, &size); err != nil || size-s.counts.size.Load() < moveFrom {
		return
	}
	err := s.write(ctx, "move counts", func(t *tx) error {
		// Steps under way have committed then, and those that wait for the lock see
		// the new rows. Readers are not met. A program that holds a row for long is
		// left alone.
		if _, err := t.exec(`set local lock_timeout = 100`); err != nil {
			return err
		}
		if _, err := t.exec(`lock table counters in share row exclusive mode`); err != nil {
			return err
		}
		_, err := t.exec(`with base as materialized (
				select ` + rowsOf + ` + 64 as shard
			), old as (
				delete from counters where shard > 0 returning *
			), total as materialized (
				select sum(pending) as pending, sum(running) as running, sum(completed) as completed, sum(failed) as failed,
					sum(dead_letters) as dead_letters from old
			)
			insert into counters (shard, pending, running, completed, failed, dead_letters)
			select base.shard + 1, total.* from base, total
			union all select base.shard + n, 0, 0, 0, 0, 0 from base, generate_series(2, 63) n`)
		return err
	})
	if err != nil {
		s.log.Debug("counts were not moved", "error", err)
		return
	}
	s.counts.size.Store(size)
}
