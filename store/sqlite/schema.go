package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"pipedai/store"
	"pipedai/store/internal/migration"
)

//go:embed migrations/*.sql
var migrations embed.FS

func (s *Store) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, s.db.Writer, files,
		goose.WithTableName(migration.Table), goose.WithDisableGlobalRegistry(true))
}

// Migrate applies what is missing.
func (s *Store) Migrate(ctx context.Context) ([]store.Migration, error) {
	if err := s.CheckSchema(ctx); errors.Is(err, store.ErrNewerSchema) {
		return nil, err
	}
	var out []store.Migration
	err := s.w.alone(ctx, func() error {
		p, err := s.provider()
		if err != nil {
			return err
		}
		results, err := p.Up(ctx)
		out = migration.Done(results, err, s.now())
		return err
	})
	return out, wrap("migrate database", err)
}

// Migrations lists what this program knows.
func (s *Store) Migrations(ctx context.Context) ([]store.Migration, error) {
	known, applied, err := s.migrations(ctx)
	return known.List(applied), wrap("list migrations", err)
}

// CheckSchema compares what is applied with what this program knows.
func (s *Store) CheckSchema(ctx context.Context) error {
	known, applied, err := s.migrations(ctx)
	if err == nil {
		err = known.Check(applied)
	}
	return wrap("check schema", err)
}

func (s *Store) migrations(ctx context.Context) (known migration.Set, applied map[int64]time.Time, err error) {
	if known, err = migration.Load(migrations); err == nil {
		applied, err = s.applied(ctx)
	}
	return known, applied, err
}

// applied reads the tracking table, which need not exist yet.
func (s *Store) applied(ctx context.Context) (map[int64]time.Time, error) {
	out := map[int64]time.Time{}
	var name string
	err := s.db.Reader.QueryRowContext(ctx, `select name from sqlite_master where type = 'table' and name = ?`, migration.Table).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return out, nil
	} else if err != nil {
		return nil, err
	}
	rows, err := s.db.Reader.QueryContext(ctx, `select version_id, cast(strftime('%s', tstamp) as integer) from `+migration.Table+` where is_applied and version_id > 0`) //nolint:gosec // a constant
	err = each(rows, err, func(row scanner) error {
		var version, at int64
		if err := row.Scan(&version, &at); err != nil {
			return err
		}
		out[version] = time.Unix(at, 0).UTC()
		return nil
	})
	return out, err
}
