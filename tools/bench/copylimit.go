package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// copyLimit takes the n rows that an enqueue left in every table and puts
// them back by COPY in one transaction: the same rows into the same tables,
// with the same indexes and checks. It returns tasks per second.
func (b *bed) copyLimit(ctx context.Context, n int) (float64, error) {
	conn, err := b.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.Background())
	tables, err := filledTables(ctx, conn, n)
	if err != nil {
		return 0, err
	}
	held := make([]bytes.Buffer, len(tables))
	for i, table := range tables {
		if _, err := conn.PgConn().CopyTo(ctx, &held[i], "copy "+table+" to stdout (format binary)"); err != nil {
			return 0, fmt.Errorf("copy %s: %w", table, err)
		}
	}
	if _, err := conn.Exec(ctx, "truncate "+strings.Join(tables, ", ")+" cascade"); err != nil {
		return 0, err
	}
	if _, err := conn.Exec(ctx, "checkpoint"); err != nil {
		return 0, err
	}
	begun := time.Now()
	if _, err := conn.Exec(ctx, "begin"); err != nil {
		return 0, err
	}
	for i, table := range tables {
		if _, err := conn.PgConn().CopyFrom(ctx, &held[i], "copy "+table+" from stdin (format binary)"); err != nil {
			return 0, fmt.Errorf("copy %s: %w", table, err)
		}
	}
	if _, err := conn.Exec(ctx, "commit"); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// filledTables names the tables that hold at least n rows, those that others
// refer to first.
func filledTables(ctx context.Context, conn *pgx.Conn, n int) ([]string, error) {
	rows, err := conn.Query(ctx, `select c.relname from pg_class c join pg_namespace s on s.oid = c.relnamespace
		where c.relkind in ('r', 'p') and not c.relispartition and s.nspname = 'public'
		order by (select count(*) from pg_constraint f where f.conrelid = c.oid and f.contype = 'f'), c.relname`)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		name = pgx.Identifier{name}.Sanitize()
		var filled int
		if err := conn.QueryRow(ctx, "select count(*) from "+name).Scan(&filled); err != nil {
			return nil, err
		}
		if filled >= n {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no table holds %d rows", n)
	}
	// Those of the contract come first: engine tables refer to them.
	slices.SortStableFunc(out, func(a, b string) int { return rank(a) - rank(b) })
	return out, nil
}

func rank(table string) int {
	switch table {
	case `"pipeline_runs"`:
		return 0
	case `"task_runs"`:
		return 1
	default:
		return 2
	}
}
