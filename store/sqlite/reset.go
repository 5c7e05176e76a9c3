package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"pipedai/store"
	"pipedai/store/internal/contract"
)

// Validate compares the database with what this program expects.
func (s *Store) Validate(ctx context.Context) ([]string, error) {
	known, applied, err := s.migrations(ctx)
	if err != nil {
		return nil, wrap("validate database", err)
	}
	have := map[string][]string{}
	rows, err := s.db.Reader.QueryContext(ctx, `select m.name, c.name from sqlite_master m join pragma_table_info(m.name) c where m.type = 'table'`)
	err = each(rows, err, func(row scanner) error {
		var table, column string
		err := row.Scan(&table, &column)
		have[table] = append(have[table], column)
		return err
	})
	return append(known.Differences(applied), contract.Missing(have)...), wrap("validate database", err)
}

// Reset drops every table: the file is the engine's alone.
func (s *Store) Reset(ctx context.Context) error {
	if err := s.CheckSchema(ctx); errors.Is(err, store.ErrNewerSchema) {
		return err
	}
	return wrap("reset database", s.w.alone(ctx, func() error {
		conn, err := s.db.Writer.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // back to the pool of one
		// Outside a transaction, or it has no effect.
		if _, err := conn.ExecContext(ctx, `pragma foreign_keys = off`); err != nil {
			return err
		}
		defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), `pragma foreign_keys = on`) }() // it never fails
		var names []string
		rows, err := conn.QueryContext(ctx, `select name from sqlite_master where type = 'table' and name not like 'sqlite\_%' escape '\'`)
		if err := each(rows, err, func(row scanner) error {
			names = append(names, "")
			return row.Scan(&names[len(names)-1])
		}); err != nil {
			return err
		}
		var drop strings.Builder
		drop.WriteString("begin immediate;")
		for _, name := range names {
			fmt.Fprintf(&drop, `drop table "%s";`, strings.ReplaceAll(name, `"`, `""`))
		}
		drop.WriteString("commit;")
		if _, err := conn.ExecContext(ctx, drop.String()); err != nil {
			_, _ = conn.ExecContext(context.WithoutCancel(ctx), "rollback")
			return err
		}
		_, err = conn.ExecContext(ctx, "vacuum")
		return err
	}))
}
