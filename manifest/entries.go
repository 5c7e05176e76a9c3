package manifest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"pipedai/internal/hostdir"
	"pipedai/internal/sqlitefile"
)

// Mode is how a worker gets its work.
type Mode string

// The modes of the contract.
const (
	ModeWorkspace Mode = "workspace"
	ModePool      Mode = "pool"
)

// Entry is one managed worker. ID is the control plane's worker id and never
// changes; ConfigPath names its worker.json and is unique too.
type Entry struct {
	ID          string
	Label       string
	APIURL      string // verbatim
	WorkspaceID string // "" for a pool worker, or when it was registered by an old CLI
	ConfigPath  string
	Mode        Mode

	// Running is the local desired state: keep its process up. Enabled is the
	// remote one: the control plane gives it work. They are separate facts, so
	// that an upgrade can restore both exactly as it found them.
	Running bool
	Enabled bool

	// Settings are what it is given instead of the daemon's defaults. Upsert
	// keeps those of an entry that is there already. What Entries returns is
	// shared: it must not be changed.
	Settings Settings

	// Version is the installed version of the worker program that it runs; ""
	// is the default program of the host. Only SetVersion changes it.
	Version string
	// Former is what it ran before its last upgrade, as Version names it; nil
	// when there is nothing to go back to. Only SetFormer changes it.
	Former *string

	CreatedAt time.Time // set by Add when zero
}

// Validate names the first thing wrong with e.
func (e Entry) Validate() error {
	if err := hostdir.ValidID(e.ID); err != nil {
		return fmt.Errorf("%w: id: %w", ErrInvalid, err)
	}
	if e.Label == "" {
		return fmt.Errorf("%w %s: label is empty", ErrInvalid, e.ID)
	}
	if e.ConfigPath == "" {
		return fmt.Errorf("%w %s: configPath is empty", ErrInvalid, e.ID)
	}
	if u, err := url.Parse(e.APIURL); err != nil || u.Scheme == "" || u.Host == "" {
		return fmt.Errorf("%w %s: apiUrl %q is not an absolute URL", ErrInvalid, e.ID, e.APIURL)
	}
	if e.Mode != ModeWorkspace && e.Mode != ModePool {
		return fmt.Errorf("%w %s: mode %q is neither workspace nor pool", ErrInvalid, e.ID, e.Mode)
	}
	return nil
}

const entryColumns = `id, label, api_url, workspace_id, config_path, mode, running, enabled, created_at, settings, version, former_version`

// Add appends e; ErrDuplicate when its id or its configPath is taken.
func (m *Manifest) Add(ctx context.Context, e Entry) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("add entry: %w", err)
	}
	err := m.write(ctx, func(tx *sql.Tx) error { return insertEntry(ctx, tx, e) })
	if err != nil {
		return fmt.Errorf("add entry %s: %w", e.ID, err)
	}
	return nil
}

// Upsert adds e, or replaces the entry of the same id while keeping its place
// and the time it was created; both desired states become those of e.
// ErrDuplicate when another entry has its configPath, ErrTakenOver when it is
// to run and may not yet.
func (m *Manifest) Upsert(ctx context.Context, e Entry) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("put entry: %w", err)
	}
	err := m.write(ctx, func(tx *sql.Tx) error {
		if e.Running {
			if err := notTakenOver(ctx, tx, e.ID); err != nil {
				return err
			}
		}
		res, err := tx.ExecContext(ctx, `UPDATE entries SET label = ?, api_url = ?, workspace_id = ?, config_path = ?, mode = ?, running = ?, enabled = ? WHERE id = ?`,
			e.Label, e.APIURL, e.WorkspaceID, e.ConfigPath, e.Mode, e.Running, e.Enabled, e.ID)
		if err != nil {
			return duplicate(err)
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return insertEntry(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("put entry %s: %w", e.ID, err)
	}
	return nil
}

// SetRunning changes the local desired state; ErrNotFound, or ErrTakenOver when
// it may not run yet.
func (m *Manifest) SetRunning(ctx context.Context, id string, running bool) error {
	return m.change(ctx, id, func(tx *sql.Tx) (sql.Result, error) {
		if running {
			if err := notTakenOver(ctx, tx, id); err != nil {
				return nil, err
			}
		}
		return tx.ExecContext(ctx, `UPDATE entries SET running = ? WHERE id = ?`, running, id)
	})
}

// SetEnabled changes the remote desired state; ErrNotFound.
func (m *Manifest) SetEnabled(ctx context.Context, id string, enabled bool) error {
	return m.set(ctx, `UPDATE entries SET enabled = ? WHERE id = ?`, enabled, id)
}

// SetVersion pins the version that the entry runs; "" is the default program
// of the host. ErrNotFound.
func (m *Manifest) SetVersion(ctx context.Context, id, version string) error {
	return m.set(ctx, `UPDATE entries SET version = ? WHERE id = ?`, version, id)
}

// SetFormer notes what an entry ran before its last upgrade; nil forgets it.
// ErrNotFound.
func (m *Manifest) SetFormer(ctx context.Context, id string, former *string) error {
	return m.set(ctx, `UPDATE entries SET former_version = ? WHERE id = ?`, former, id)
}

// Remove takes an entry out; ErrNotFound. The record of its process stays
// until the supervisor has seen that process end.
func (m *Manifest) Remove(ctx context.Context, id string) error {
	return m.set(ctx, `DELETE FROM entries WHERE id = ?`, id)
}

// set runs a statement whose last argument is the id and that must hit a row.
func (m *Manifest) set(ctx context.Context, stmt string, args ...any) error {
	return m.change(ctx, args[len(args)-1], func(tx *sql.Tx) (sql.Result, error) { return tx.ExecContext(ctx, stmt, args...) })
}

// change makes a change that must hit the row of an entry.
func (m *Manifest) change(ctx context.Context, id any, do func(*sql.Tx) (sql.Result, error)) error {
	err := m.write(ctx, func(tx *sql.Tx) error {
		res, err := do(tx)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("entry %q: %w", id, err)
	}
	return nil
}

func insertEntry(ctx context.Context, tx *sql.Tx, e Entry) error {
	if e.CreatedAt.IsZero() {
		e.CreatedAt = time.Now()
	}
	settings, err := e.Settings.encode()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO entries (`+entryColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.Label, e.APIURL, e.WorkspaceID, e.ConfigPath, e.Mode, e.Running, e.Enabled, toDB(e.CreatedAt), settings, e.Version, e.Former)
	return duplicate(err)
}

func duplicate(err error) error {
	if sqlitefile.IsDuplicate(err) {
		return fmt.Errorf("%w: its id or its configPath", ErrDuplicate)
	}
	return err
}

func scanEntry(row interface{ Scan(...any) error }) (Entry, error) {
	var e Entry
	var createdAt int64
	var settings string
	err := row.Scan(&e.ID, &e.Label, &e.APIURL, &e.WorkspaceID, &e.ConfigPath, &e.Mode, &e.Running, &e.Enabled, &createdAt, &settings, &e.Version, &e.Former)
	if err != nil {
		return e, err
	}
	e.CreatedAt = fromDB(createdAt)
	if err := json.Unmarshal([]byte(settings), &e.Settings); err != nil {
		return e, fmt.Errorf("settings of %s: %w", e.ID, err)
	}
	return e, nil
}
