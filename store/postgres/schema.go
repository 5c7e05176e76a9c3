package postgres

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"pipedai/store"
	"pipedai/store/internal/migration"
)

//go:embed migrations/*.sql
var migrations embed.FS

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
		goose.WithTableName(migration.Table), goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(locker))
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
	return migration.Done(results, err, time.Now().UTC()), wrap("migrate database", errors.Join(err, done()))
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
	var exists bool
	err := s.row(ctx, `select to_regclass('public.' || $1) is not null`, []any{migration.Table}, &exists)
	if err != nil || !exists {
		return out, err
	}
	query := `select version_id, tstamp at time zone current_setting('TimeZone') from ` + migration.Table + ` where is_applied and version_id > 0`
	err = s.rows(ctx, query, nil, func(row scanner) error {
		var version int64
		var at time.Time
		err := row.Scan(&version, &at)
		out[version] = at.UTC()
		return err
	})
	return out, err
}
