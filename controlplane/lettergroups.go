package controlplane

import (
	"context"
	"strconv"
	"strings"
	"time"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/pipeline"
	"pipedai/store"
)

const (
	mostLetterGroups = 500
	mostLetterIDs    = 10_000
)

// letterGroups answers GET /api/dlq/groups.
func (s *Server) letterGroups(ctx context.Context, _ none) (api.LetterGroups, error) {
	q := queryOf(ctx)
	f := letterFilter(q)
	if err := q.err(); err != nil {
		return api.LetterGroups{}, err
	}
	groups, err := s.o.Engine.LetterGroups(ctx, f)
	if err != nil {
		return api.LetterGroups{}, err
	}
	out := api.LetterGroups{Groups: []api.LetterGroup{}, Rest: max(0, len(groups)-mostLetterGroups)}
	var newest time.Time
	for i, g := range groups {
		out.Total += g.Count
		if g.Newest.After(newest) {
			newest = g.Newest
		}
		if i < mostLetterGroups {
			out.Groups = append(out.Groups, api.LetterGroup{
				ID: g.ID, TaskID: string(g.Task), Fingerprint: g.Fingerprint, Count: g.Count,
				Newest: api.At(g.Newest), Oldest: api.At(g.Oldest), ExampleID: string(g.Example), Error: g.Error,
			})
		}
	}
	if !newest.IsZero() {
		// The wire has milliseconds, and rounding down would leave out the newest.
		out.AsOf = api.At(newest.Add(time.Millisecond - time.Nanosecond))
	}
	return out, nil
}

// letterIDs answers GET /api/dlq/ids.
func (s *Server) letterIDs(ctx context.Context, _ none) (api.LetterIDs, error) {
	q := queryOf(ctx)
	f, limit := letterFilter(q), q.number("limit", mostLetterIDs, 1, mostLetterIDs)
	after, err := letterPlace(q.text("after"))
	if err == nil {
		err = q.err()
	}
	if err != nil {
		return api.LetterIDs{}, err
	}
	heads, err := s.o.Engine.LettersOf(ctx, f, q.text("group"), after, limit)
	if err != nil {
		return api.LetterIDs{}, err
	}
	out := api.LetterIDs{IDs: texts(headIDs(heads))}
	if len(heads) == limit {
		last := heads[len(heads)-1]
		next := strconv.FormatInt(last.FailedAt.UnixMicro(), 10) + "." + string(last.ID)
		out.Next = &next
	}
	return out, nil
}

// letterPlace reads a place in the list of dead letters.
func letterPlace(text string) (store.DeadLetterHead, error) {
	if text == "" {
		return store.DeadLetterHead{}, nil
	}
	at, id, _ := strings.Cut(text, ".")
	us, err := strconv.ParseInt(at, 10, 64)
	if err != nil || us <= 0 || id == "" {
		return store.DeadLetterHead{}, httpkit.Invalid("Not a place in this list", "after")
	}
	return store.DeadLetterHead{ID: pipeline.DeadLetterID(id), FailedAt: time.UnixMicro(us)}, nil
}

func headIDs(heads []store.DeadLetterHead) []pipeline.DeadLetterID {
	out := make([]pipeline.DeadLetterID, len(heads))
	for i, h := range heads {
		out[i] = h.ID
	}
	return out
}
