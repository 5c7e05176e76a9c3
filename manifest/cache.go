package manifest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"pipedai/internal/sqlitefile"
)

// entryCache is the entries as they were at a revision. They are asked for
// with every status, and change seldom.
type entryCache struct {
	mu       sync.Mutex
	revision int64 // 0: nothing is held
	entries  []Entry
	byID     map[string]int
}

// Revision is a number that goes up with every change of the entries, also by
// another program.
func (m *Manifest) Revision(ctx context.Context) (int64, error) {
	var n int64
	if err := m.db.Reader.QueryRowContext(ctx, `SELECT n FROM revisions WHERE name = 'entries'`).Scan(&n); err != nil {
		return 0, fmt.Errorf("read revision: %w", sqlitefile.Classify(err))
	}
	return n, nil
}

// Entries lists all entries in the order they were added.
func (m *Manifest) Entries(ctx context.Context) ([]Entry, error) {
	entries, _, err := m.EntriesAt(ctx)
	return entries, err
}

// EntriesAt is Entries, with the Revision that they have at least.
func (m *Manifest) EntriesAt(ctx context.Context) ([]Entry, int64, error) {
	entries, _, revision, err := m.held(ctx)
	return slices.Clone(entries), revision, err
}

// Entry returns one entry, or ErrNotFound.
func (m *Manifest) Entry(ctx context.Context, id string) (Entry, error) {
	entries, byID, _, err := m.held(ctx)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %q: %w", id, err)
	}
	at, known := byID[id]
	if !known {
		return Entry{}, fmt.Errorf("entry %q: %w", id, ErrNotFound)
	}
	return entries[at], nil
}

// held returns the current entries, read again only when their revision moved.
// What it returns is shared and must not be changed.
func (m *Manifest) held(ctx context.Context) ([]Entry, map[string]int, int64, error) {
	// The number is read before the rows: rows that are newer than their number
	// are read once more than needed, never once too little.
	revision, err := m.Revision(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	c := &m.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.revision >= revision {
		return c.entries, c.byID, c.revision, nil
	}
	entries, err := m.readEntries(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	c.revision, c.entries, c.byID = revision, entries, make(map[string]int, len(entries))
	for i, e := range entries {
		c.byID[e.ID] = i
	}
	return c.entries, c.byID, revision, nil
}

func (m *Manifest) readEntries(ctx context.Context) ([]Entry, error) {
	rows, err := m.db.Reader.QueryContext(ctx, `SELECT `+entryColumns+` FROM entries ORDER BY seq`)
	if err != nil {
		return nil, fmt.Errorf("list entries: %w", sqlitefile.Classify(err))
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return nil, fmt.Errorf("list entries: %w", err)
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list entries: %w", sqlitefile.Classify(err))
	}
	return out, nil
}
