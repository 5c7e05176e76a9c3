package manifest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"pipedai/internal/sqlitefile"
)

// maxAdoptions is how many adoptions that came to nothing are kept.
const maxAdoptions = 200

// ErrTakenOver says that a worker is being taken over from whoever ran it, or
// given back: until that is over nothing may start it here.
var ErrTakenOver = errors.New("the worker is being taken over, or given back: until that is over nothing starts it here")

// AdoptionStatus is where an adoption is.
type AdoptionStatus string

// The statuses of an adoption.
const (
	AdoptionTakingOver AdoptionStatus = "taking-over" // who ran it is being stopped, or was
	AdoptionDone       AdoptionStatus = "adopted"
	AdoptionUndoing    AdoptionStatus = "undoing" // it is given back
	AdoptionUndone     AdoptionStatus = "undone"
	AdoptionFailed     AdoptionStatus = "failed" // and given back
)

// Open reports whether an adoption is under way, or was cut off.
func (s AdoptionStatus) Open() bool { return s == AdoptionTakingOver || s == AdoptionUndoing }

// Adoption is the journal of how a stand-alone worker came into the manifest.
type Adoption struct {
	Seq        int64 // given by BeginAdoption
	EntryID    string
	ConfigPath string

	Status AdoptionStatus
	Step   string          // begun last; what it does may or may not have happened
	State  json.RawMessage // what was found before anything was changed; nil is {}
	Error  string

	StartedAt, UpdatedAt time.Time // set when written
}

// EntryChange is what becomes of an adoption's entry together with its journal.
type EntryChange uint8

// The changes.
const (
	KeepEntry EntryChange = iota
	RunEntry
	StopEntry
	RemoveEntry
)

const adoptionColumns = `seq, entry_id, config_path, status, step, state, error, started_at, updated_at`

// BeginAdoption adds an entry and its journal in one transaction, and returns
// the journal with its number. ErrDuplicate when the entry's id or file is in
// the manifest, or an adoption of the id is under way.
func (m *Manifest) BeginAdoption(ctx context.Context, e Entry, a Adoption) (Adoption, error) {
	if err := e.Validate(); err != nil {
		return a, fmt.Errorf("adopt: %w", err)
	}
	a.EntryID, a.ConfigPath, a.StartedAt = e.ID, e.ConfigPath, time.Now()
	a.UpdatedAt = a.StartedAt
	err := m.write(ctx, func(tx *sql.Tx) error {
		if err := insertEntry(ctx, tx, e); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO adoptions (entry_id, config_path, status, step, state, error, started_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			a.EntryID, a.ConfigPath, a.Status, a.Step, object(a.State), a.Error, toDB(a.StartedAt), toDB(a.UpdatedAt))
		if err != nil {
			return duplicate(err)
		}
		if a.Seq, err = res.LastInsertId(); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM adoptions WHERE status IN ('undone', 'failed') AND seq NOT IN (
			SELECT seq FROM adoptions WHERE status IN ('undone', 'failed') ORDER BY seq DESC LIMIT ?)`, maxAdoptions)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("adopt %s: %w", e.ID, err)
	}
	return a, nil
}

// ChangeAdoption writes status, step, state and error of a journal down, and
// changes its entry, in one transaction. An entry that is gone is no error.
func (m *Manifest) ChangeAdoption(ctx context.Context, a Adoption, change EntryChange) error {
	err := m.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE adoptions SET status = ?, step = ?, state = ?, error = ?, updated_at = ? WHERE seq = ?`,
			a.Status, a.Step, object(a.State), a.Error, toDB(time.Now()), a.Seq)
		if err := hitOr(res, err, ErrNotFound); err != nil {
			return err
		}
		switch change {
		case RunEntry:
			_, err = tx.ExecContext(ctx, `UPDATE entries SET running = 1 WHERE id = ?`, a.EntryID)
		case StopEntry:
			_, err = tx.ExecContext(ctx, `UPDATE entries SET running = 0 WHERE id = ?`, a.EntryID)
		case RemoveEntry:
			_, err = tx.ExecContext(ctx, `DELETE FROM entries WHERE id = ?`, a.EntryID)
		case KeepEntry:
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("adoption of %s: %w", a.EntryID, err)
	}
	return nil
}

// Adoptions returns the newest adoption of each worker, in the order of their
// begin.
func (m *Manifest) Adoptions(ctx context.Context) ([]Adoption, error) {
	rows, err := m.db.Reader.QueryContext(ctx, `SELECT `+adoptionColumns+` FROM adoptions
		WHERE seq IN (SELECT max(seq) FROM adoptions GROUP BY entry_id) ORDER BY seq`)
	if err != nil {
		return nil, fmt.Errorf("list adoptions: %w", sqlitefile.Classify(err))
	}
	defer rows.Close()
	var out []Adoption
	for rows.Next() {
		var a Adoption
		var state string
		var startedAt, updatedAt int64
		if err := rows.Scan(&a.Seq, &a.EntryID, &a.ConfigPath, &a.Status, &a.Step, &state, &a.Error, &startedAt, &updatedAt); err != nil {
			return nil, fmt.Errorf("list adoptions: %w", err)
		}
		a.State, a.StartedAt, a.UpdatedAt = json.RawMessage(state), fromDB(startedAt), fromDB(updatedAt)
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list adoptions: %w", sqlitefile.Classify(err))
	}
	return out, nil
}

// OpenAdoptions returns those that are under way, or were cut off.
func (m *Manifest) OpenAdoptions(ctx context.Context) ([]Adoption, error) {
	all, err := m.Adoptions(ctx)
	return slices.DeleteFunc(all, func(a Adoption) bool { return !a.Status.Open() }), err
}

// notTakenOver refuses to start a worker whose adoption is under way.
func notTakenOver(ctx context.Context, tx *sql.Tx, id string) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM adoptions WHERE entry_id = ? AND status IN ('taking-over', 'undoing')`, id).Scan(&n)
	if err == nil && n > 0 {
		err = ErrTakenOver
	}
	return err
}
