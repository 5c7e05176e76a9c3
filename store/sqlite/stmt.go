package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"pipedai/pipeline"
)

// conn is the writing connection with the statements prepared on it so far.
// It speaks to the driver itself: a step is many small statements, and
// database/sql spends more on each than SQLite does. Statements go the way of
// queries even when nothing comes back, because there the driver under cgo
// binds and steps in one call.
type conn struct {
	*sql.Conn
	raw    driver.ConnPrepareContext // valid inside Raw
	stmts  map[string]driver.Stmt
	args   []driver.NamedValue
	graphs graphs
	ready  bool // set up
}

func (c *conn) release() error {
	if c == nil {
		return nil
	}
	errs := []error{c.Raw(func(any) error {
		var errs []error
		for _, s := range c.stmts {
			errs = append(errs, s.Close())
		}
		return errors.Join(errs...)
	})}
	return errors.Join(append(errs, c.Conn.Close())...)
}

// query binds, and takes the first step, whether or not rows are asked for.
func (c *conn) query(query string, args []any) (driver.Rows, error) {
	ctx := context.Background() // a step that runs is not interrupted
	s := c.stmts[query]
	if s == nil {
		var err error
		if s, err = c.raw.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		c.stmts[query] = s
	}
	c.args = c.args[:0]
	for i, a := range args {
		v, err := value(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s.(driver.StmtQueryContext).QueryContext(ctx, c.args)
}

// value is a as drivers take it, without reflection for what comes often.
func value(a any) (driver.Value, error) {
	switch a := a.(type) {
	case nil, string, int64, []byte, float64, bool:
		return a, nil
	case int:
		return int64(a), nil
	default:
		return driver.DefaultParameterConverter.ConvertValue(a)
	}
}

// run executes a statement.
func (c *conn) run(query string, args ...any) error {
	rows, err := c.query(query, args)
	if err != nil {
		return err
	}
	return rows.Close()
}

// rows calls scan for every row.
func (c *conn) rows(query string, args []any, scan func(scanner) error) (err error) {
	rows, err := c.query(query, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	n := len(rows.Columns())
	vals := make([]driver.Value, n)
	for {
		if err := rows.Next(vals); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := scan(record(vals)); err != nil {
			return err
		}
	}
}

// tx is one step under way.
type tx struct {
	ctx context.Context
	c   *conn
	now time.Time
	// Attempts that this step took from their owners: their rows, and how many
	// belong to each pipeline run.
	seqs  map[pipeline.TaskRunID]int64
	taken map[pipeline.RunID]int
}

func (t *tx) run(query string, args ...any) error { return t.c.run(query, args...) }

// exec executes a statement and counts the rows it changed.
func (t *tx) exec(query string, args ...any) (n int, err error) {
	if err := t.c.run(query, args...); err != nil {
		return 0, err
	}
	return n, t.row("select changes()", nil, &n)
}

// row scans the columns of one row; sql.ErrNoRows when there is none.
func (t *tx) row(query string, args []any, dest ...any) error {
	return t.one(func(row scanner) error { return row.Scan(dest...) }, query, args...)
}

// one calls scan for one row; sql.ErrNoRows when there is none.
func (t *tx) one(scan func(scanner) error, query string, args ...any) error {
	found := false
	err := t.c.rows(query, args, func(row scanner) error {
		if found {
			return nil
		}
		found = true
		return scan(row)
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// rows calls scan for every row.
func (t *tx) rows(query string, args []any, scan func(scanner) error) error {
	return t.c.rows(query, args, scan)
}

// scanner is one row.
type scanner interface{ Scan(dest ...any) error }

// record is a row as the driver gave it. It scans as a row of database/sql
// does, for the destinations that this package uses.
type record []driver.Value

func (r record) Scan(dest ...any) error {
	if len(dest) != len(r) {
		return fmt.Errorf("%d destinations for %d columns", len(dest), len(r))
	}
	for i, to := range dest {
		if err := assign(to, r[i]); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func assign(to any, v driver.Value) error {
	switch to := to.(type) {
	case sql.Scanner:
		return to.Scan(v)
	case *string:
		if s, ok := v.(string); ok {
			*to = s
			return nil
		}
	case *int:
		if n, ok := v.(int64); ok {
			*to = int(n)
			return nil
		}
	case *int64:
		if n, ok := v.(int64); ok {
			*to = n
			return nil
		}
	case *bool:
		if n, ok := v.(int64); ok {
			*to = n != 0
			return nil
		}
	case *[]byte:
		switch v := v.(type) {
		case nil:
			*to = nil
			return nil
		case []byte:
			*to = append([]byte{}, v...)
			return nil
		case string:
			*to = []byte(v)
			return nil
		}
	default:
		return assignKind(reflect.ValueOf(to), v)
	}
	return fmt.Errorf("%T does not fit %T", v, to)
}

// assignKind is assign for named types and pointers to pointers.
func assignKind(to reflect.Value, v driver.Value) error {
	if to.Kind() == reflect.Pointer && !to.IsNil() {
		switch at := to.Elem(); at.Kind() {
		case reflect.String:
			if s, ok := v.(string); ok {
				at.SetString(s)
				return nil
			}
		case reflect.Int:
			if n, ok := v.(int64); ok {
				at.SetInt(n)
				return nil
			}
		case reflect.Pointer:
			if v == nil {
				at.SetZero()
				return nil
			}
			at.Set(reflect.New(at.Type().Elem()))
			return assign(at.Interface(), v)
		}
	}
	return fmt.Errorf("%T does not fit %s", v, to.Type())
}

// each drains rows of the reading pool through scan.
func each(rows *sql.Rows, err error, scan func(scanner) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
