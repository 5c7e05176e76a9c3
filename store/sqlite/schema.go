package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"pipedai/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The engine tracks its migrations here and not in schema_migrations, whose
// rows belong to the older tools.
const migrationTable = "engine_migrations"

func (s *Store) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, s.db.Writer, files,
		goose.WithTableName(migrationTable), goose.WithDisableGlobalRegistry(true))
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
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			results = partial.Applied
		}
		for _, r := range results {
			out = append(out, store.Migration{
				Version: r.Source.Version, Name: migrationName(r.Source.Path), AppliedAt: s.now(), Took: r.Duration,
			})
		}
		return err
	})
	return out, wrap("migrate database", err)
}

// Migrations lists what this program knows.
func (s *Store) Migrations(ctx context.Context) ([]store.Migration, error) {
	applied, err := s.applied(ctx)
	if err != nil {
		return nil, wrap("list migrations", err)
	}
	p, err := s.provider()
	if err != nil {
		return nil, wrap("list migrations", err)
	}
	var out []store.Migration
	for _, src := range p.ListSources() {
		out = append(out, store.Migration{Version: src.Version, Name: migrationName(src.Path), AppliedAt: applied[src.Version]})
	}
	return out, nil
}

// CheckSchema compares what is applied with what this program knows.
func (s *Store) CheckSchema(ctx context.Context) error {
	applied, err := s.applied(ctx)
	if err != nil {
		return wrap("check schema", err)
	}
	p, err := s.provider()
	if err != nil {
		return wrap("check schema", err)
	}
	var newest, missing int64
	for _, src := range p.ListSources() {
		newest = max(newest, src.Version)
		if _, ok := applied[src.Version]; !ok && missing == 0 {
			missing = src.Version
		}
	}
	for version := range applied {
		if version > newest {
			return fmt.Errorf("check schema: %w: it has migration %d, this program knows %d", store.ErrNewerSchema, version, newest)
		}
	}
	if missing != 0 {
		return fmt.Errorf("check schema: %w: migration %d is missing", store.ErrNotMigrated, missing)
	}
	return nil
}

// applied reads the tracking table, which need not exist yet.
func (s *Store) applied(ctx context.Context) (map[int64]time.Time, error) {
	out := map[int64]time.Time{}
	var name string
	err := s.db.Reader.QueryRowContext(ctx, `select name from sqlite_master where type = 'table' and name = ?`, migrationTable).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return out, nil
	} else if err != nil {
		return nil, err
	}
	rows, err := s.db.Reader.QueryContext(ctx, `select version_id, cast(strftime('%s', tstamp) as integer) from `+migrationTable+` where is_applied and version_id > 0`)
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

// migrationName is "engine" for "00002_engine.sql".
func migrationName(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
	return name
}
