package manifest

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"

	"pipedai/internal/sqlitefile"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// versionTable is our own: a file that other tools migrate must not be
// mistaken for ours.
const versionTable = "manifest_migrations"

// migrateTries bounds how often a migration that met another one is repeated.
const migrateTries = 5

// migrate brings the schema up to date, each step in its own transaction, and
// refuses a file whose schema is newer than this program knows.
func (m *Manifest) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, m.db.Writer, files,
		goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	// Another program may open the same new file at this moment (connect and
	// the daemon, say). The steps are transactions, so one of the two fails
	// and has only to look again.
	for try := 1; ; try++ {
		have, err := schemaVersion(ctx, m.db.Writer)
		if err != nil {
			return fmt.Errorf("read schema version: %w", err)
		}
		switch {
		case have > newest:
			return fmt.Errorf("%w (schema %d, known up to %d)", ErrNewerSchema, have, newest)
		case have == newest:
			return nil
		}
		if _, err := provider.Up(ctx); err != nil && try == migrateTries {
			return fmt.Errorf("bring schema up to date: %w", sqlitefile.Classify(err))
		}
	}
}

// schemaVersion reads what is applied without creating anything; 0 for an
// empty file.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var exists int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, versionTable).Scan(&exists)
	if err != nil || exists == 0 {
		return 0, sqlitefile.Classify(err)
	}
	var version int64
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied = 1`).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, sqlitefile.Classify(err)
}
