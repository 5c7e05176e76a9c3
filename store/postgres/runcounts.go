package postgres

import (
	"context"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

// countRunsQuery walks the index over the creation from the newest run on, and
// ends where the span or the patience does.
const countRunsQuery = `
with newest as materialized (
	select id, pipeline_id, status, created_at from pipeline_runs
	where created_at >= $1 and created_at < $2 order by created_at desc limit $3)
select pipeline_id, status, floor(extract(epoch from created_at - $1)::float8 / $4::float8)::int as part, count(*), min(created_at), max(id)
from newest group by pipeline_id, status, part`

// CountRuns counts the newest runs of a span of time.
func (s *Store) CountRuns(ctx context.Context, p store.CountRuns) (store.RunCounts, error) {
	var t flow.Tally
	err := s.rows(ctx, countRunsQuery, []any{p.From, p.To, p.Most, p.Part.Seconds()}, func(row scanner) error {
		var c store.RunCount
		var oldest time.Time
		var newest pipeline.RunID
		err := row.Scan(asText(&c.Pipeline), asText(&c.Status), &c.Part, &c.Runs, timeCol{&oldest}, asText(&newest))
		t.Add(c, oldest, newest)
		return err
	})
	if ids := t.LastFailed(); err == nil && len(ids) > 0 {
		t.Failed, err = all(ctx, s, "read failed runs", func(row scanner, r *store.FailedRun) error {
			return row.Scan(asText(&r.ID), asText(&r.Pipeline), &r.Error, timeCol{&r.CreatedAt})
		}, `select id, pipeline_id, coalesce(left(error, 500), ''), created_at from pipeline_runs where id = any($1)`, ids)
	}
	return t.RunCounts, wrap("count runs", err)
}
