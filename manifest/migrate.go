package manifest

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strconv"

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

// Schema is how a manifest is laid out: the number of its newest migration, and
// the least such number a program must know to work with it.
//
// Every migration says that least number, in the same step that changes the
// file: PRAGMA user_version. One that only adds what older programs leave alone
// repeats the number before it; one that they would stumble over names itself.
type Schema struct {
	Version int64 `json:"version"`
	Least   int64 `json:"least"` // 0: only a program that knows Version
}

// Serves reports whether a program that knows migrations up to known may work
// with a file of this schema.
func (s Schema) Serves(known int64) bool {
	return s.Version <= known || s.Least > 0 && s.Least <= known
}

// NewerError says that only a newer version of this program may work with the
// file. It is an ErrNewerSchema.
type NewerError struct {
	Schema Schema
	Known  int64
	Backup string // taken before the first change that is in the way; empty when there is none
}

func (e *NewerError) Error() string {
	text := fmt.Sprintf("%s (schema %d, which needs a program that knows %d; this one knows up to %d)",
		ErrNewerSchema, e.Schema.Version, cmp.Or(e.Schema.Least, e.Schema.Version), e.Known)
	if e.Backup != "" {
		text += "; what it was before that is kept in " + e.Backup
	}
	return text
}

// Unwrap makes it an ErrNewerSchema.
func (*NewerError) Unwrap() error { return ErrNewerSchema }

// known is the schema of the migrations in files.
func known(files fs.FS) (Schema, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return Schema{}, fmt.Errorf("read migrations: %w", err)
	}
	var out Schema
	for _, name := range names {
		number, err := goose.NumericComponent(name)
		if err != nil {
			return Schema{}, fmt.Errorf("read migrations: %w", err)
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return Schema{}, fmt.Errorf("read migrations: %w", err)
		}
		if number < out.Version {
			continue
		}
		out = Schema{Version: number}
		if said := saysLeast.FindSubmatch(data); said != nil {
			out.Least, _ = strconv.ParseInt(string(said[1]), 10, 64) // it is digits
		}
	}
	return out, nil
}

var saysLeast = regexp.MustCompile(`(?m)^PRAGMA user_version = ([0-9]+);`)

// migrations are those of this program.
func migrations() fs.FS {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the name is a constant that the embedded tree has
	}
	return files
}

// Known is the schema that this program writes.
func Known() Schema {
	s, err := known(migrations())
	if err != nil {
		panic(err) // a test reads them
	}
	return s
}

// migrate brings the schema up to date, each step in its own transaction, after
// a copy of what was there was put aside. A file whose schema is newer than this
// program knows is left as it is: worked with when its newest migration allows
// that, and refused otherwise.
func (m *Manifest) migrate(ctx context.Context, path string, files fs.FS) error {
	provider, err := goose.NewProvider(goose.DialectSQLite3, m.db.Writer, files,
		goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	saved := false
	// Another program may open the same new file at this moment (connect and
	// the daemon, say). The steps are transactions, so one of the two fails
	// and has only to look again.
	for try := 1; ; try++ {
		have, err := schemaOf(ctx, m.db.Writer)
		if err != nil {
			return fmt.Errorf("read schema version: %w", err)
		}
		switch {
		case have.Version > newest && !have.Serves(newest):
			return &NewerError{Schema: have, Known: newest, Backup: lastBackup(path, newest)}
		case have.Version >= newest:
			return nil
		}
		if have.Version > 0 && !saved {
			if err := m.backUp(ctx, path, have.Version); err != nil {
				return fmt.Errorf("keep a copy before the schema changes: %w", err)
			}
			saved = true
		}
		if _, err := provider.Up(ctx); err != nil && try == migrateTries {
			return fmt.Errorf("bring schema up to date: %w", sqlitefile.Classify(err))
		}
	}
}

// schemaOf reads what is applied without creating anything; zero for an empty
// file.
func schemaOf(ctx context.Context, db *sql.DB) (Schema, error) {
	var exists int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, versionTable).Scan(&exists)
	if err != nil || exists == 0 {
		return Schema{}, sqlitefile.Classify(err)
	}
	var s Schema
	err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied = 1`).Scan(&s.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return Schema{}, nil
	}
	if err == nil {
		err = db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&s.Least)
	}
	return s, sqlitefile.Classify(err)
}
