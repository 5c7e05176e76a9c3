package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"pipedai/store"
	"pipedai/store/internal/contract"
	"pipedai/store/internal/migration"
)

// Validate compares the database with what this program expects.
func (s *Store) Validate(ctx context.Context) ([]string, error) {
	known, applied, err := s.migrations(ctx)
	if err != nil {
		return nil, wrap("validate database", err)
	}
	have := map[string][]string{}
	err = s.rows(ctx, `select table_name, column_name from information_schema.columns where table_schema = 'public'`, nil, func(row scanner) error {
		var table, column string
		err := row.Scan(&table, &column)
		have[table] = append(have[table], column)
		return err
	})
	return append(known.Differences(applied), contract.Missing(have)...), wrap("validate database", err)
}

// Reset drops what migrations created, in one transaction.
func (s *Store) Reset(ctx context.Context) error {
	if err := s.CheckSchema(ctx); errors.Is(err, store.ErrNewerSchema) {
		return err
	}
	known, err := migration.Load(migrations)
	if err != nil {
		return wrap("reset database", err)
	}
	created := contract.Created(known.Texts()...)
	err = s.write(ctx, "reset database", func(t *tx) error {
		// Replicas that migrate meanwhile wait, and then find nothing.
		if _, err := t.exec(`select pg_advisory_xact_lock($1)`, lockMigrate); err != nil {
			return err
		}
		for _, kind := range []string{"table", "sequence", "function"} {
			names := created[kind]
			if kind == "table" {
				names = append(slices.Clone(names), migration.Table)
			}
			for _, name := range names {
				if _, err := t.exec("drop " + kind + " if exists public." + pgx.Identifier{name}.Sanitize() + " cascade"); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		s.pool.Reset() // statements prepared before know tables that are gone
	}
	return err
}
