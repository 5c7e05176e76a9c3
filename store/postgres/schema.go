package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"pipedai/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The engine tracks its migrations here and not in schema_migrations, whose
// rows belong to the older tools.
const migrationTable = "engine_migrations"

// provider also returns how to close it.
func (s *Store) provider() (*goose.Provider, func() error, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, nil, err
	}
	// Replicas that start together migrate one after the other.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockMigrate), lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, nil, err
	}
	cfg := s.pool.Config().ConnConfig
	delete(cfg.RuntimeParams, "statement_timeout") // a migration takes what it takes
	delete(cfg.RuntimeParams, "idle_in_transaction_session_timeout")
	db := stdlib.OpenDB(*cfg)
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(migrationTable), goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return p, db.Close, nil
}

// Migrate applies what is missing.
func (s *Store) Migrate(ctx context.Context) ([]store.Migration, error) {
	if err := s.CheckSchema(ctx); err == nil || errors.Is(err, store.ErrNewerSchema) {
		return nil, err
	}
	p, done, err := s.provider()
	if err != nil {
		return nil, wrap("migrate database", err)
	}
	results, err := p.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	var out []store.Migration
	for _, r := range results {
		out = append(out, store.Migration{
			Version: r.Source.Version, Name: migrationName(r.Source.Path), AppliedAt: time.Now().UTC(), Took: r.Duration,
		})
	}
	return out, wrap("migrate database", errors.Join(err, done()))
}

// Migrations lists what this program knows.
func (s *Store) Migrations(ctx context.Context) ([]store.Migration, error) {
	applied, err := s.applied(ctx)
	if err != nil {
		return nil, wrap("list migrations", err)
	}
	known, err := known()
	if err != nil {
		return nil, wrap("list migrations", err)
	}
	var out []store.Migration
	for _, src := range known {
		out = append(out, store.Migration{Version: src.version, Name: migrationName(src.path), AppliedAt: applied[src.version]})
	}
	return out, nil
}

// CheckSchema compares what is applied with what this program knows.
func (s *Store) CheckSchema(ctx context.Context) error {
	applied, err := s.applied(ctx)
	if err != nil {
		return wrap("check schema", err)
	}
	known, err := known()
	if err != nil {
		return wrap("check schema", err)
	}
	var newest, missing int64
	for _, src := range known {
		newest = max(newest, src.version)
		if _, ok := applied[src.version]; !ok && missing == 0 {
			missing = src.version
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
	var exists bool
	err := s.row(ctx, `select to_regclass('public.' || $1) is not null`, []any{migrationTable}, &exists)
	if err != nil || !exists {
		return out, err
	}
	query := `select version_id, tstamp at time zone current_setting('TimeZone') from ` + migrationTable + ` where is_applied and version_id > 0`
	err = s.rows(ctx, query, nil, func(row scanner) error {
		var version int64
		var at time.Time
		err := row.Scan(&version, &at)
		out[version] = at.UTC()
		return err
	})
	return out, err
}

// migrationName is "engine" for "00002_engine.sql".
func migrationName(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
	return name
}

type source struct {
	version int64
	path    string
}

// known lists the embedded migrations, oldest first.
func known() ([]source, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var out []source
	for _, file := range files { // Glob sorts
		version, err := goose.NumericComponent(file)
		if err != nil {
			return nil, err
		}
		out = append(out, source{version, file})
	}
	return out, nil
}
