package manifest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipedai/internal/sqlitefile"
)

// maxEvents is how many events are kept; older ones go as new ones come.
const maxEvents = 5000

// Event is something that happened on this host and is worth showing later.
type Event struct {
	Seq     int64 // given by AppendEvents
	At      time.Time
	EntryID string // "" when it is about the host
	Type    string
	Data    json.RawMessage // a JSON value; nil is {}
}

// AppendEvent records e and returns its sequence number. At is now when zero.
func (m *Manifest) AppendEvent(ctx context.Context, e Event) (int64, error) {
	events := []Event{e}
	err := m.AppendEvents(ctx, events)
	return events[0].Seq, err
}

// AppendEvents records events in one transaction and fills in their sequence
// numbers. At is now when zero.
func (m *Manifest) AppendEvents(ctx context.Context, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	for i := range events {
		if events[i].At.IsZero() {
			events[i].At = time.Now()
		}
		if len(events[i].Data) == 0 {
			events[i].Data = json.RawMessage(`{}`)
		}
		if !json.Valid(events[i].Data) {
			return fmt.Errorf("append event %s: data is not JSON", events[i].Type)
		}
	}
	err := m.write(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO events (at, entry_id, type, data) VALUES (?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for i := range events {
			e := &events[i]
			res, err := insert.ExecContext(ctx, toDB(e.At), e.EntryID, e.Type, string(e.Data))
			if err != nil {
				return err
			}
			if e.Seq, err = res.LastInsertId(); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM events WHERE seq <= ?`, events[len(events)-1].Seq-maxEvents)
		return err
	})
	if err != nil {
		return fmt.Errorf("append events: %w", err)
	}
	return nil
}

// LastEvent returns the newest event of one of some types; ErrNotFound when
// none is held.
func (m *Manifest) LastEvent(ctx context.Context, types ...string) (Event, error) {
	query := `SELECT seq, at, entry_id, type, data FROM events WHERE type IN (` + strings.TrimSuffix(strings.Repeat("?,", len(types)), ",") + `) ORDER BY seq DESC LIMIT 1`
	args := make([]any, len(types))
	for i, t := range types {
		args[i] = t
	}
	var e Event
	var at int64
	var data string
	err := m.db.Reader.QueryRowContext(ctx, query, args...).Scan(&e.Seq, &at, &e.EntryID, &e.Type, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return Event{}, fmt.Errorf("last event: %w", ErrNotFound)
	}
	if err != nil {
		return Event{}, fmt.Errorf("last event: %w", sqlitefile.Classify(err))
	}
	e.At, e.Data = fromDB(at), json.RawMessage(data)
	return e, nil
}

// EventsQuery says which events are wanted.
type EventsQuery struct {
	Since   int64  // those after this sequence number
	EntryID string // of this worker only; "" is all
	Limit   int    // how many at most; 0 is all
	Newest  bool   // when there are more than Limit, the newest ones; else the oldest
}

// Events returns what is held, oldest first.
func (m *Manifest) Events(ctx context.Context, q EventsQuery) ([]Event, error) {
	const oldestFirst = `SELECT seq, at, entry_id, type, data FROM events WHERE seq > ? AND (? = '' OR entry_id = ?) ORDER BY seq LIMIT ?`
	const newestFirst = `SELECT seq, at, entry_id, type, data FROM events WHERE seq > ? AND (? = '' OR entry_id = ?) ORDER BY seq DESC LIMIT ?`
	query, limit := oldestFirst, int64(-1)
	if q.Newest {
		query = newestFirst
	}
	if q.Limit > 0 {
		limit = int64(q.Limit)
	}
	rows, err := m.db.Reader.QueryContext(ctx, query, q.Since, q.EntryID, q.EntryID, limit)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", sqlitefile.Classify(err))
	}
	defer rows.Close()
	var out []Event
	for rows.Next() {
		var e Event
		var at int64
		var data string
		if err := rows.Scan(&e.Seq, &at, &e.EntryID, &e.Type, &data); err != nil {
			return nil, fmt.Errorf("list events: %w", err)
		}
		e.At, e.Data = fromDB(at), json.RawMessage(data)
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list events: %w", sqlitefile.Classify(err))
	}
	if q.Newest {
		slices.Reverse(out)
	}
	return out, nil
}
