package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// LetterGroup is dead letters of one task that failed alike.
type LetterGroup struct {
	ID             string // of the task and the fingerprint; the same everywhere
	Task           pipeline.TaskID
	Fingerprint    string
	Count          int
	Newest, Oldest time.Time
	Example        pipeline.DeadLetterID // the newest
	Error          string                // its first characters
}

// letterHeads is how many heads are read at once.
const letterHeads = 5000

// LetterGroups puts together the dead letters that a filter selects, all of
// them, the largest group first. It reads each once, in pages, and remembers no
// more than a line of a group.
func (e *Engine) LetterGroups(ctx context.Context, f store.DeadLetterFilter) ([]LetterGroup, error) {
	type key struct {
		task        pipeline.TaskID
		fingerprint string
	}
	groups := map[key]*LetterGroup{}
	err := e.eachLetter(ctx, f, store.DeadLetterHead{}, letterHeads, func(h store.DeadLetterHead) bool {
		k := key{h.Task, Fingerprint(h.Error)}
		group := groups[k]
		if group == nil {
			group = &LetterGroup{
				ID: groupID(k.task, k.fingerprint), Task: h.Task, Fingerprint: k.fingerprint,
				Newest: h.FailedAt, Example: h.ID, Error: h.Error,
			}
			groups[k] = group
		}
		group.Count++
		group.Oldest = h.FailedAt
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("group dead letters: %w", err)
	}
	out := make([]LetterGroup, 0, len(groups))
	for _, group := range groups {
		out = append(out, *group)
	}
	slices.SortFunc(out, func(a, b LetterGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), b.Newest.Compare(a.Newest), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// LettersOf lists the heads of the dead letters that a filter selects and, with
// a group, that belong to it: up to limit that follow another one, newest first.
func (e *Engine) LettersOf(ctx context.Context, f store.DeadLetterFilter, group string, after store.DeadLetterHead, limit int) ([]store.DeadLetterHead, error) {
	out := []store.DeadLetterHead{}
	page := letterHeads
	if group == "" {
		page = min(page, limit)
	}
	err := e.eachLetter(ctx, f, after, page, func(h store.DeadLetterHead) bool {
		if group == "" || groupID(h.Task, Fingerprint(h.Error)) == group {
			out = append(out, h)
		}
		return len(out) < limit
	})
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return out, nil
}

// eachLetter goes over the heads of dead letters, newest first, until visit
// returns false.
func (e *Engine) eachLetter(ctx context.Context, f store.DeadLetterFilter, after store.DeadLetterHead, page int, visit func(store.DeadLetterHead) bool) error {
	for {
		heads, err := e.store.DeadLetterHeads(ctx, f, after, page)
		if err != nil {
			return err
		}
		for _, h := range heads {
			if !visit(h) {
				return nil
			}
		}
		if len(heads) < page {
			return nil
		}
		after = heads[len(heads)-1]
	}
}

func groupID(task pipeline.TaskID, fingerprint string) string {
	sum := sha256.Sum256([]byte(string(task) + "\n" + fingerprint))
	return hex.EncodeToString(sum[:8])
}
