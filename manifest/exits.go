package manifest

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"pipedai/internal/sqlitefile"
)

// KeptExits is how many ends of processes are kept for each worker.
const KeptExits = 20

// How tells the ways apart in which a process can have ended.
type How string

// The values of How.
const (
	Exited     How = "exited"      // Code is set
	Killed     How = "killed"      // Signal is set
	Unknown    How = "unknown"     // it was not our child, and the kernel did not tell
	NotStarted How = "not-started" // it never ran; Detail says why
)

// Exit is how a process ended.
type Exit struct {
	How    How
	Code   *int
	Signal *string // "SIGKILL"
	Detail string
	At     time.Time
}

// PastExit is one line of a worker's history.
type PastExit struct {
	Exit
	Generation int64
	StartedAt  time.Time
}

// Exits returns how the last processes of a worker ended, newest first, at
// most KeptExits.
func (m *Manifest) Exits(ctx context.Context, id string) ([]PastExit, error) {
	rows, err := m.db.Reader.QueryContext(ctx, `SELECT generation, started_at, exit_at, exit_code, exit_signal, exit_how, exit_detail
		FROM exits WHERE id = ? ORDER BY seq DESC LIMIT ?`, id, KeptExits)
	if err != nil {
		return nil, fmt.Errorf("exits of %q: %w", id, sqlitefile.Classify(err))
	}
	defer rows.Close()
	var out []PastExit
	for rows.Next() {
		var p PastExit
		var startedAt int64
		var e exitColumns
		if err := rows.Scan(&p.Generation, &startedAt, &e.at, &e.code, &e.signal, &e.how, &e.detail); err != nil {
			return nil, fmt.Errorf("exits of %q: %w", id, err)
		}
		p.Exit, p.StartedAt = *e.exit(), fromDB(startedAt)
		out = append(out, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("exits of %q: %w", id, sqlitefile.Classify(err))
	}
	return out, nil
}

// keepExit adds the end of a process that is recorded as live to the history
// and drops what is too old.
func keepExit(ctx context.Context, tx *sql.Tx, id string, generation int64, exit Exit) error {
	e := exitToDB(&exit)
	res, err := tx.ExecContext(ctx, `INSERT INTO exits (id, generation, started_at, exit_at, exit_code, exit_signal, exit_how, exit_detail)
		SELECT id, generation, started_at, ?, ?, ?, ?, ? FROM processes WHERE id = ? AND generation = ? AND live = 1`,
		e.at, e.code, e.signal, e.how, e.detail, id, generation)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM exits WHERE id = ? AND seq <= (SELECT seq FROM exits WHERE id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
		id, id, KeptExits)
	return err
}

// exitColumns is an Exit as the tables hold it.
type exitColumns struct {
	at, code    sql.NullInt64
	signal      sql.NullString
	how, detail string
}

func exitToDB(e *Exit) (c exitColumns) {
	if e == nil {
		return c
	}
	c.at = sql.NullInt64{Int64: toDB(e.At), Valid: true}
	c.how, c.detail = string(e.How), e.Detail
	if e.Code != nil {
		c.code = sql.NullInt64{Int64: int64(*e.Code), Valid: true}
	}
	if e.Signal != nil {
		c.signal = sql.NullString{String: *e.Signal, Valid: true}
	}
	return c
}

func (c exitColumns) exit() *Exit {
	if !c.at.Valid {
		return nil
	}
	e := &Exit{At: fromDB(c.at.Int64), How: How(c.how), Detail: c.detail}
	if c.code.Valid {
		code := int(c.code.Int64)
		e.Code = &code
	}
	if c.signal.Valid {
		e.Signal = &c.signal.String
	}
	if e.How == "" { // written before it was kept
		switch {
		case e.Code != nil:
			e.How = Exited
		case e.Signal != nil:
			e.How = Killed
		default:
			e.How = Unknown
		}
	}
	return e
}
