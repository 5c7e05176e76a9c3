package manifest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"pipedai/internal/sqlitefile"
)

// Process is the newest process of a worker, recorded before anything relies
// on it. (PID, StartTime, BootID) identify it: a pid alone proves nothing.
type Process struct {
	ID         string
	Generation int64 // 1 for the first process of this id, one more for each after it
	// Live is true from the moment before the process is made until its end
	// is recorded. Live with PID 0: the daemon was about to start it.
	Live      bool
	PID       int
	StartTime int64 // as the OS tells it; comparable only within one BootID
	BootID    string
	SpecHash  string
	FIFOOut   string
	FIFOErr   string
	StartedAt time.Time

	// Cgroup is the folder of the control group the process was started in;
	// "" when it has none of its own.
	Cgroup string

	// AskedAt is when it was asked to end; zero when it was not.
	AskedAt time.Time

	Restarts      int // since the last stable run
	TotalRestarts int // never lowered

	Exit *Exit // how it, or the one before it, ended; nil when none did
}

const processColumns = `id, generation, live, pid, start_time, boot_id, spec_hash, fifo_out, fifo_err, started_at,
	restarts, total_restarts, exit_at, exit_code, exit_signal, exit_how, exit_detail, cgroup, asked_at`

// Processes lists the record of every worker that ever ran here and was not
// dropped, entries that are gone included.
func (m *Manifest) Processes(ctx context.Context) ([]Process, error) {
	rows, err := m.db.Reader.QueryContext(ctx, `SELECT `+processColumns+` FROM processes ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", sqlitefile.Classify(err))
	}
	defer rows.Close()
	var out []Process
	for rows.Next() {
		p, err := scanProcess(rows)
		if err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		out = append(out, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list processes: %w", sqlitefile.Classify(err))
	}
	return out, nil
}

// Process returns the record of one worker; ErrNotFound when it never ran.
func (m *Manifest) Process(ctx context.Context, id string) (Process, error) {
	p, err := scanProcess(m.db.Reader.QueryRowContext(ctx, `SELECT `+processColumns+` FROM processes WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Process{}, fmt.Errorf("process of %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return Process{}, fmt.Errorf("process of %q: %w", id, sqlitefile.Classify(err))
	}
	return p, nil
}

// PutProcess records p. ErrStale when a newer generation is recorded: a late
// writer must not hide a process that runs.
//
// Like ClearProcess and ReplaceProcess it is committed together with those of
// other workers that arrive at the same time.
func (m *Manifest) PutProcess(ctx context.Context, p Process) error {
	err := m.together(ctx, func(ctx context.Context, tx *sql.Tx) error { return putProcess(ctx, tx, p) })
	if err != nil {
		return fmt.Errorf("record process of %s: %w", p.ID, err)
	}
	return nil
}

// ReplaceProcess records in one step that the generation before p ended as
// p.Exit says, and that p is about to start.
func (m *Manifest) ReplaceProcess(ctx context.Context, p Process) error {
	err := m.together(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if p.Exit != nil {
			if err := keepExit(ctx, tx, p.ID, p.Generation-1, *p.Exit); err != nil {
				return err
			}
		}
		return putProcess(ctx, tx, p)
	})
	if err != nil {
		return fmt.Errorf("record process of %s: %w", p.ID, err)
	}
	return nil
}

// ClearProcess records that generation of id ended. ErrStale when another
// generation is recorded, which is then left alone. The row stays, so that
// generations keep counting.
func (m *Manifest) ClearProcess(ctx context.Context, id string, generation int64, exit Exit) error {
	err := m.together(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := keepExit(ctx, tx, id, generation, exit); err != nil {
			return err
		}
		e := exitToDB(&exit)
		res, err := tx.ExecContext(ctx, `UPDATE processes SET live = 0, pid = 0, start_time = 0,
			exit_at = ?, exit_code = ?, exit_signal = ?, exit_how = ?, exit_detail = ? WHERE id = ? AND generation = ?`,
			e.at, e.code, e.signal, e.how, e.detail, id, generation)
		return hitOr(res, err, ErrStale)
	})
	if err != nil {
		return fmt.Errorf("record end of %s: %w", id, err)
	}
	return nil
}

func putProcess(ctx context.Context, tx *sql.Tx, p Process) error {
	e := exitToDB(p.Exit)
	res, err := tx.ExecContext(ctx, `INSERT INTO processes (`+processColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET
			generation = excluded.generation, live = excluded.live, pid = excluded.pid, start_time = excluded.start_time,
			boot_id = excluded.boot_id, spec_hash = excluded.spec_hash, fifo_out = excluded.fifo_out, fifo_err = excluded.fifo_err,
			started_at = excluded.started_at, restarts = excluded.restarts, total_restarts = excluded.total_restarts,
			exit_at = excluded.exit_at, exit_code = excluded.exit_code, exit_signal = excluded.exit_signal,
			exit_how = excluded.exit_how, exit_detail = excluded.exit_detail, cgroup = excluded.cgroup,
			asked_at = excluded.asked_at
		WHERE processes.generation <= excluded.generation`,
		p.ID, p.Generation, p.Live, p.PID, p.StartTime, p.BootID, p.SpecHash, p.FIFOOut, p.FIFOErr, toDB(p.StartedAt),
		p.Restarts, p.TotalRestarts, e.at, e.code, e.signal, e.how, e.detail, p.Cgroup, askedToDB(p.AskedAt))
	return hitOr(res, err, ErrStale)
}

// AskedProcess records that generation of id was asked to end. ErrStale when
// another generation is recorded.
func (m *Manifest) AskedProcess(ctx context.Context, id string, generation int64, at time.Time) error {
	err := m.together(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE processes SET asked_at = ? WHERE id = ? AND generation = ?`, toDB(at), id, generation)
		return hitOr(res, err, ErrStale)
	})
	if err != nil {
		return fmt.Errorf("record the stop of %s: %w", id, err)
	}
	return nil
}

// DropProcess forgets a worker that has no live process, and how its processes
// ended; dropping one that is not recorded, or lives, does nothing.
func (m *Manifest) DropProcess(ctx context.Context, id string) error {
	err := m.together(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM processes WHERE id = ? AND live = 0`, id)
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM exits WHERE id = ? AND NOT EXISTS (SELECT 1 FROM processes p WHERE p.id = exits.id)`, id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("drop process of %s: %w", id, err)
	}
	return nil
}

// askedToDB keeps "was not asked" as 0.
func askedToDB(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return toDB(t)
}

// hitOr turns "no row changed" into miss.
func hitOr(res sql.Result, err, miss error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return miss
	}
	return err
}

func scanProcess(row interface{ Scan(...any) error }) (Process, error) {
	var p Process
	var startedAt, askedAt int64
	var e exitColumns
	err := row.Scan(&p.ID, &p.Generation, &p.Live, &p.PID, &p.StartTime, &p.BootID, &p.SpecHash, &p.FIFOOut, &p.FIFOErr, &startedAt,
		&p.Restarts, &p.TotalRestarts, &e.at, &e.code, &e.signal, &e.how, &e.detail, &p.Cgroup, &askedAt)
	if err != nil {
		return Process{}, err
	}
	p.StartedAt = fromDB(startedAt)
	if askedAt != 0 {
		p.AskedAt = fromDB(askedAt)
	}
	p.Exit = e.exit()
	return p, nil
}
