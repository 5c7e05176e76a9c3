package controlplane

import (
	"cmp"
	"context"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/pipeline"
	"pipedai/store"
)

// mostCounted bounds what one look at the history costs, however many runs a
// busy day has.
const mostCounted = 50_000

// runCounts answers GET /api/run-counts.
func (s *Server) runCounts(ctx context.Context, _ none) (api.RunCounts, error) {
	q := queryOf(ctx)
	hours := q.number("hours", 24, 1, 168)
	if err := q.err(); err != nil {
		return api.RunCounts{}, err
	}
	// Steps begin where the clock strikes, so that what is over does not change
	// from one look to the next.
	step := countStep(hours)
	to := time.Now().UTC().Truncate(step).Add(step)
	from := to.Add(-time.Duration(hours) * time.Hour)
	found, err := s.st.CountRuns(ctx, store.CountRuns{From: from, To: to, Part: step, Most: mostCounted})
	if err != nil {
		return api.RunCounts{}, err
	}
	out := api.RunCounts{
		From: api.At(from), To: api.At(to), StepMs: step.Milliseconds(), Since: api.At(from), Runs: found.Counted,
		Steps: make([]api.RunTally, to.Sub(from)/step), Pipelines: []api.PipelineTally{},
	}
	if found.Counted >= mostCounted {
		out.Since = api.At(found.Oldest)
	}
	out.Pipelines = tallied(found, out.Steps)
	return out, nil
}

// countStep divides a span into thirty to fifty steps of a length that people
// find on a clock.
func countStep(hours int) time.Duration {
	switch {
	case hours <= 1:
		return 2 * time.Minute
	case hours <= 6:
		return 10 * time.Minute
	case hours <= 24:
		return 30 * time.Minute
	case hours <= 72:
		return 2 * time.Hour
	default:
		return 4 * time.Hour
	}
}

// tallied adds the cells to the steps, and by pipeline: those that failed most
// first, then those that ran most.
func tallied(found store.RunCounts, steps []api.RunTally) []api.PipelineTally {
	of := map[pipeline.ID]*api.PipelineTally{}
	for _, c := range found.Cells {
		if of[c.Pipeline] == nil {
			of[c.Pipeline] = &api.PipelineTally{PipelineID: string(c.Pipeline)}
		}
		count(&of[c.Pipeline].Runs, c)
		if c.Part >= 0 && c.Part < len(steps) {
			count(&steps[c.Part], c)
		}
	}
	for _, f := range found.Failed {
		if p := of[f.Pipeline]; p != nil {
			p.LastFailed = &api.FailedRun{ID: string(f.ID), Error: f.Error, CreatedAt: api.At(f.CreatedAt)}
		}
	}
	out := []api.PipelineTally{}
	for _, p := range of {
		out = append(out, *p)
	}
	all := func(t api.RunTally) int { return t.Completed + t.Failed + t.Partial + t.Cancelled + t.Active }
	slices.SortFunc(out, func(a, b api.PipelineTally) int {
		return cmp.Or(cmp.Compare(b.Runs.Failed, a.Runs.Failed), cmp.Compare(all(b.Runs), all(a.Runs)), cmp.Compare(a.PipelineID, b.PipelineID))
	})
	return out
}

func count(t *api.RunTally, c store.RunCount) {
	switch c.Status {
	case pipeline.RunCompleted:
		t.Completed += c.Runs
	case pipeline.RunFailed:
		t.Failed += c.Runs
	case pipeline.RunPartial:
		t.Partial += c.Runs
	case pipeline.RunCancelled:
		t.Cancelled += c.Runs
	default:
		t.Active += c.Runs
	}
}
