package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"

	"pipedai/store"
	"pipedai/store/internal/contract"
)

// Validate compares the database with what this program expects.
func (s *Store) Validate(ctx context.Context) ([]string, error) {
	var out []string
	all, err := s.Migrations(ctx)
	if err != nil {
		return nil, err
	}
	newest := int64(0)
	for _, m := range all {
		newest = max(newest, m.Version)
		if m.AppliedAt.IsZero() {
			out = append(out, fmt.Sprintf("migration %03d_%s is not applied", m.Version, m.Name))
		}
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return nil, wrap("validate database", err)
	}
	for version := range applied {
		if version > newest {
			out = append(out, fmt.Sprintf("migration %03d is applied, which only a newer version of this program knows", version))
		}
	}
	have := map[string][]string{}
	err = s.rows(ctx, `select table_name, column_name from information_schema.columns where table_schema = 'public'`, nil, func(row scanner) error {
		var table, column string
		err := row.Scan(&table, &column)
		have[table] = append(have[table], column)
		return err
	})
	return append(out, contract.Missing(have)...), wrap("validate database", err)
}

// Reset drops what migrations created, in one transaction.
func (s *Store) Reset(ctx context.Context) error {
	if err := s.CheckSchema(ctx); errors.Is(err, store.ErrNewerSchema) {
		return err
	}
	texts, err := migrationTexts()
	if err != nil {
		return wrap("reset database", err)
	}
	created := contract.Created(texts...)
	err = s.write(ctx, "reset database", func(t *tx) error {
		// Replicas that migrate meanwhile wait, and then find nothing.
		if _, err := t.exec(`select pg_advisory_xact_lock($1)`, lockMigrate); err != nil {
			return err
		}
		for _, kind := range []string{"table", "sequence", "function"} {
			names := created[kind]
			if kind == "table" {
				names = append(slices.Clone(names), migrationTable)
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

func migrationTexts() ([]string, error) {
	sources, err := known()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, src := range sources {
		text, err := fs.ReadFile(migrations, src.path)
		if err != nil {
			return nil, err
		}
		out = append(out, string(text))
	}
	return out, nil
}
