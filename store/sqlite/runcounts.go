package sqlite

import (
	"context"
	"encoding/json"
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
	where created_at >= ?1 and created_at < ?2 order by created_at desc limit ?3)
select pipeline_id, status, (created_at - ?1) / ?4 as part, count(*), min(created_at), max(id)
from newest group by pipeline_id, status, part`

// CountRuns counts the newest runs of a span of time.
func (s *Store) CountRuns(ctx context.Context, p store.CountRuns) (store.RunCounts, error) {
	type cell struct {
		store.RunCount
		oldest time.Time
		newest pipeline.RunID
	}
	cells, err := all(ctx, s, "count runs", func(row scanner, c *cell) error {
		return row.Scan(asText(&c.Pipeline), asText(&c.Status), &c.Part, &c.Runs, timeCol{&c.oldest}, asText(&c.newest))
	}, countRunsQuery, us(p.From), us(p.To), p.Most, p.Part.Microseconds())
	var t flow.Tally
	for _, c := range cells {
		t.Add(c.RunCount, c.oldest, c.newest)
	}
	if ids := t.LastFailed(); err == nil && len(ids) > 0 {
		var given []byte
		if given, err = json.Marshal(ids); err != nil {
			return store.RunCounts{}, wrap("count runs", err)
		}
		t.Failed, err = all(ctx, s, "read failed runs", func(row scanner, r *store.FailedRun) error {
			return row.Scan(asText(&r.ID), asText(&r.Pipeline), &r.Error, timeCol{&r.CreatedAt})
		}, `select id, pipeline_id, coalesce(substr(error, 1, 500), ''), created_at from pipeline_runs
			where id in (select value from json_each(?))`, string(given))
	}
	return t.RunCounts, err
}
