package manifest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"pipedai/internal/sqlitefile"
)

// InstallKind is how a version came to this host.
type InstallKind string

// The kinds of installs.
const (
	InstallArchive InstallKind = "archive" // a signed release of a control plane
	InstallNPM     InstallKind = "npm"     // a package of a registry
	InstallLocal   InstallKind = "local"   // files of this machine
)

// Installed is one version of a program that lies on this host.
type Installed struct {
	Program string
	Version string // its name here; folders and pins use it
	Kind    InstallKind
	Path    string // the program to run, absolute
	// Reports is the version that the program says it is. A local install's own
	// name has more in it, for two builds may both say 1.2.0.
	Reports string

	SHA256     string // of the program
	TreeSHA256 string // of everything that was installed with it
	Size       int64  // of all of it, in bytes

	Source   string // the control plane's URL, the package, or the path it came from
	Channel  string // "" unless it is a release
	Sequence int64  // of the release; 0 for others

	InstalledAt time.Time // set by AddInstalled when zero
	UsedAt      time.Time // when a worker was last started from it, or was to be
}

// FailedVersion is a version that did not work here.
type FailedVersion struct {
	// Subject is the entry it failed for; "" for the host itself.
	Subject  string
	Program  string
	Version  string
	Reason   string
	FailedAt time.Time // set by NoteFailed when zero
}

const installedColumns = `program, version, kind, path, reports, sha256, tree_sha256, size, source, channel, sequence, installed_at, used_at`

// AddInstalled writes an installed version down, in place of one of the same
// program and version.
func (m *Manifest) AddInstalled(ctx context.Context, v Installed) error {
	if v.InstalledAt.IsZero() {
		v.InstalledAt = time.Now()
	}
	if v.UsedAt.IsZero() {
		v.UsedAt = v.InstalledAt
	}
	err := m.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO installed_versions (`+installedColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.Program, v.Version, v.Kind, v.Path, v.Reports, v.SHA256, v.TreeSHA256, v.Size, v.Source, v.Channel, v.Sequence,
			toDB(v.InstalledAt), toDB(v.UsedAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("note installed version %s %s: %w", v.Program, v.Version, err)
	}
	return nil
}

// Installed returns one installed version, or ErrNotFound.
func (m *Manifest) Installed(ctx context.Context, program, version string) (Installed, error) {
	v, err := scanInstalled(m.db.Reader.QueryRowContext(ctx, `SELECT `+installedColumns+` FROM installed_versions
		WHERE program = ? AND version = ?`, program, version))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Installed{}, fmt.Errorf("installed version %s %s: %w", program, version, sqlitefile.Classify(err))
	}
	return v, nil
}

// InstalledVersions lists those of a program, of all programs when it is "",
// those used last first.
func (m *Manifest) InstalledVersions(ctx context.Context, program string) ([]Installed, error) {
	return list(ctx, m, "installed versions", scanInstalled, `SELECT `+installedColumns+` FROM installed_versions
		WHERE ? IN ('', program) ORDER BY program, used_at DESC, installed_at DESC, version`, program)
}

// TouchInstalled notes that a version is used now; one that is not there is no
// error.
func (m *Manifest) TouchInstalled(ctx context.Context, program, version string, at time.Time) error {
	return m.exec(ctx, "note use of a version", `UPDATE installed_versions SET used_at = max(used_at, ?) WHERE program = ? AND version = ?`,
		toDB(at), program, version)
}

// RemoveInstalled takes an installed version out; one that is not there is no
// error. ErrInUse, and nothing is changed, when an entry is pinned to it and
// program is the one that entries run.
func (m *Manifest) RemoveInstalled(ctx context.Context, program, version string, entriesRun bool) error {
	err := m.write(ctx, func(tx *sql.Tx) error {
		if entriesRun {
			var label string
			err := tx.QueryRowContext(ctx, `SELECT label FROM entries WHERE version = ? ORDER BY seq LIMIT 1`, version).Scan(&label)
			if err == nil {
				return fmt.Errorf("%w by the worker %s", ErrInUse, label)
			} else if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM installed_versions WHERE program = ? AND version = ?`, program, version)
		return err
	})
	if err != nil {
		return fmt.Errorf("take out version %s %s: %w", program, version, err)
	}
	return nil
}

// ErrInUse says that a version is what a worker is to run.
var ErrInUse = errors.New("the version is in use")

// NoteFailed writes down that a version did not work, with the newest reason.
func (m *Manifest) NoteFailed(ctx context.Context, f FailedVersion) error {
	if f.FailedAt.IsZero() {
		f.FailedAt = time.Now()
	}
	return m.exec(ctx, "note a version that failed", `INSERT OR REPLACE INTO failed_versions (subject, program, version, reason, failed_at)
		VALUES (?, ?, ?, ?, ?)`, f.Subject, f.Program, f.Version, f.Reason, toDB(f.FailedAt))
}

// Failed returns what is known of a version that did not work for a subject,
// or ErrNotFound when nothing is.
func (m *Manifest) Failed(ctx context.Context, subject, program, version string) (FailedVersion, error) {
	f, err := scanFailed(m.db.Reader.QueryRowContext(ctx, `SELECT subject, program, version, reason, failed_at FROM failed_versions
		WHERE subject = ? AND program = ? AND version = ?`, subject, program, version))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return FailedVersion{}, fmt.Errorf("failed version %s %s: %w", program, version, sqlitefile.Classify(err))
	}
	return f, nil
}

// FailedVersions lists all that did not work, newest first.
func (m *Manifest) FailedVersions(ctx context.Context) ([]FailedVersion, error) {
	return list(ctx, m, "failed versions", scanFailed, `SELECT subject, program, version, reason, failed_at FROM failed_versions
		ORDER BY failed_at DESC, subject, program, version`)
}

// ForgetFailed takes back that a version did not work for a subject, because
// it did now, or because a person says to try again.
func (m *Manifest) ForgetFailed(ctx context.Context, subject, program, version string) error {
	return m.exec(ctx, "forget a version that failed", `DELETE FROM failed_versions WHERE subject = ? AND program = ? AND version = ?`,
		subject, program, version)
}

// exec makes one change that need not hit a row.
func (m *Manifest) exec(ctx context.Context, what, stmt string, args ...any) error {
	err := m.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, stmt, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// list reads all rows of a query.
func list[T any](ctx context.Context, m *Manifest, what string, scan func(interface{ Scan(...any) error }) (T, error), query string, args ...any) ([]T, error) {
	rows, err := m.db.Reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", what, sqlitefile.Classify(err))
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list %s: %w", what, sqlitefile.Classify(err))
	}
	return out, nil
}

func scanInstalled(row interface{ Scan(...any) error }) (Installed, error) {
	var v Installed
	var installedAt, usedAt int64
	err := row.Scan(&v.Program, &v.Version, &v.Kind, &v.Path, &v.Reports, &v.SHA256, &v.TreeSHA256, &v.Size, &v.Source, &v.Channel,
		&v.Sequence, &installedAt, &usedAt)
	v.InstalledAt, v.UsedAt = fromDB(installedAt), fromDB(usedAt)
	return v, err
}

func scanFailed(row interface{ Scan(...any) error }) (FailedVersion, error) {
	var f FailedVersion
	var at int64
	err := row.Scan(&f.Subject, &f.Program, &f.Version, &f.Reason, &at)
	f.FailedAt = fromDB(at)
	return f, err
}
