package manifest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"pipedai/internal/sqlitefile"
)

// maxEvents is how many events are kept; older ones go as new ones come.
const maxEvents = 5000

// Event is something that happened on this host and is worth showing later.
type Event struct {
	Seq     int64 // given by AppendEvent
	At      time.Time
	EntryID string // "" when it is about the host
	Type    string
	Data    json.RawMessage // a JSON value; nil is {}
}

// AppendEvent records e and returns its sequence number. At is now when zero.
func (m *Manifest) AppendEvent(ctx context.Context, e Event) (int64, error) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	if len(e.Data) == 0 {
		e.Data = json.RawMessage(`{}`)
	}
	if !json.Valid(e.Data) {
		return 0, fmt.Errorf("append event %s: data is not JSON", e.Type)
	}
	var seq int64
	err := m.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO events (at, entry_id, type, data) VALUES (?, ?, ?, ?)`,
			toDB(e.At), e.EntryID, e.Type, string(e.Data))
		if err != nil {
			return err
		}
		if seq, err = res.LastInsertId(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM events WHERE seq <= ?`, seq-maxEvents)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("append event %s: %w", e.Type, err)
	}
	return seq, nil
}

// Events returns what is held after sequence number since, oldest first. A
// first event whose number is not since+1 means that some are gone.
func (m *Manifest) Events(ctx context.Context, since int64) ([]Event, error) {
	rows, err := m.db.Reader.QueryContext(ctx, `SELECT seq, at, entry_id, type, data FROM events WHERE seq > ? ORDER BY seq`, since)
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
	return out, nil
}
