package manifest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pipedai/internal/sqlitefile"
)

// maxOperations is how many ended operations are kept; older ones go as new
// ones come. Running ones always stay.
const maxOperations = 200

// ErrEnded says that an operation is over and cannot change any more.
var ErrEnded = errors.New("the operation has ended")

// OperationStatus is where an operation is.
type OperationStatus string

// The statuses of the journal.
const (
	OperationRunning   OperationStatus = "running"
	OperationSucceeded OperationStatus = "succeeded"
	OperationFailed    OperationStatus = "failed"
	OperationCancelled OperationStatus = "cancelled"
)

// Operation is one long action and its journal: what was asked for, and the
// step that was begun last. A daemon that is killed reads in it where to go on.
type Operation struct {
	ID      string
	Kind    string
	EntryID string // "" while it is not known, or when it is about the host
	AskedBy string
	Input   json.RawMessage // as asked for; no secrets; nil is {}

	Status      OperationStatus
	Step        string          // begun last; what it does may or may not have happened
	State       json.RawMessage // what the steps before it found out; nil is {}
	Undoing     bool            // it goes back, from Step on
	CancelAsked bool
	Progress    int // percent
	Message     string
	Error, Fix  string

	StartedAt, UpdatedAt time.Time // set by CreateOperation when zero
	EndedAt              time.Time // zero while it runs
}

const operationColumns = `id, kind, entry_id, asked_by, input, status, step, state, undoing, cancel, progress, message,
	error, fix, started_at, updated_at, ended_at`

// CreateOperation begins a journal; ErrDuplicate when the id is taken. The
// oldest ended operations make room for it.
func (m *Manifest) CreateOperation(ctx context.Context, o Operation) error {
	if o.StartedAt.IsZero() {
		o.StartedAt = time.Now()
	}
	if o.UpdatedAt.IsZero() {
		o.UpdatedAt = o.StartedAt
	}
	err := m.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO operations (`+operationColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)`,
			o.ID, o.Kind, o.EntryID, o.AskedBy, object(o.Input), OperationRunning, o.Step, object(o.State), o.Undoing, o.CancelAsked,
			o.Progress, o.Message, o.Error, o.Fix, toDB(o.StartedAt), toDB(o.UpdatedAt))
		if err != nil {
			return duplicate(err)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM operations WHERE status <> 'running' AND id NOT IN (
			SELECT id FROM operations WHERE status <> 'running' ORDER BY started_at DESC, rowid DESC LIMIT ?)`, maxOperations)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin operation %s: %w", o.Kind, err)
	}
	return nil
}

// StepOperation writes down where a running operation is: its step, direction,
// state, entry, progress and message. ErrEnded when it does not run.
func (m *Manifest) StepOperation(ctx context.Context, o Operation) error {
	err := m.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE operations SET entry_id = ?, step = ?, state = ?, undoing = ?, progress = ?, message = ?,
			error = ?, fix = ?, updated_at = ? WHERE id = ? AND status = 'running'`,
			o.EntryID, o.Step, object(o.State), o.Undoing, o.Progress, o.Message, o.Error, o.Fix, toDB(time.Now()), o.ID)
		return hitOr(res, err, ErrEnded)
	})
	if err != nil {
		return fmt.Errorf("operation %s: %w", o.ID, err)
	}
	return nil
}

// CancelOperation notes that somebody wants a running operation undone.
// ErrEnded when it does not run.
func (m *Manifest) CancelOperation(ctx context.Context, id string) error {
	err := m.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE operations SET cancel = 1, updated_at = ? WHERE id = ? AND status = 'running'`, toDB(time.Now()), id)
		return hitOr(res, err, ErrEnded)
	})
	if err != nil {
		return fmt.Errorf("cancel operation %s: %w", id, err)
	}
	return nil
}

// FinishOperation ends a running operation as o says: its status, entry, step,
// state, progress, message, error and fix. ErrEnded when it does not run.
func (m *Manifest) FinishOperation(ctx context.Context, o Operation) error {
	if o.EndedAt.IsZero() {
		o.EndedAt = time.Now()
	}
	err := m.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE operations SET status = ?, entry_id = ?, step = ?, state = ?, undoing = ?, progress = ?,
			message = ?, error = ?, fix = ?, updated_at = ?, ended_at = ? WHERE id = ? AND status = 'running'`,
			o.Status, o.EntryID, o.Step, object(o.State), o.Undoing, o.Progress, o.Message, o.Error, o.Fix,
			toDB(o.EndedAt), toDB(o.EndedAt), o.ID)
		return hitOr(res, err, ErrEnded)
	})
	if err != nil {
		return fmt.Errorf("end operation %s: %w", o.ID, err)
	}
	return nil
}

// Operation returns one, or ErrNotFound.
func (m *Manifest) Operation(ctx context.Context, id string) (Operation, error) {
	o, err := scanOperation(m.db.Reader.QueryRowContext(ctx, `SELECT `+operationColumns+` FROM operations WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Operation{}, fmt.Errorf("operation %q: %w", id, sqlitefile.Classify(err))
	}
	return o, nil
}

// Operations lists the newest limit of them, newest first.
func (m *Manifest) Operations(ctx context.Context, limit int) ([]Operation, error) {
	return m.operations(ctx, `SELECT `+operationColumns+` FROM operations ORDER BY started_at DESC, rowid DESC LIMIT ?`, limit)
}

// RunningOperations lists those that have not ended, oldest first.
func (m *Manifest) RunningOperations(ctx context.Context) ([]Operation, error) {
	return m.operations(ctx, `SELECT `+operationColumns+` FROM operations WHERE status = 'running' ORDER BY started_at, rowid`)
}

func (m *Manifest) operations(ctx context.Context, query string, args ...any) ([]Operation, error) {
	rows, err := m.db.Reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list operations: %w", sqlitefile.Classify(err))
	}
	defer rows.Close()
	var out []Operation
	for rows.Next() {
		o, err := scanOperation(rows)
		if err != nil {
			return nil, fmt.Errorf("list operations: %w", err)
		}
		out = append(out, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list operations: %w", sqlitefile.Classify(err))
	}
	return out, nil
}

func scanOperation(row interface{ Scan(...any) error }) (Operation, error) {
	var o Operation
	var input, state string
	var startedAt, updatedAt int64
	var endedAt sql.NullInt64
	err := row.Scan(&o.ID, &o.Kind, &o.EntryID, &o.AskedBy, &input, &o.Status, &o.Step, &state, &o.Undoing, &o.CancelAsked,
		&o.Progress, &o.Message, &o.Error, &o.Fix, &startedAt, &updatedAt, &endedAt)
	o.Input, o.State = json.RawMessage(input), json.RawMessage(state)
	o.StartedAt, o.UpdatedAt = fromDB(startedAt), fromDB(updatedAt)
	if endedAt.Valid {
		o.EndedAt = fromDB(endedAt.Int64)
	}
	return o, err
}

// object is a JSON value as it is stored; none is an empty object.
func object(data json.RawMessage) string {
	if len(data) == 0 {
		return "{}"
	}
	return string(data)
}
