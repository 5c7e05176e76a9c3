// Package migration is what both stores do alike with the migrations they
// embed: list them, hold them against what a database says was applied, and say
// in words what differs. How one is applied, and how a database is asked, is
// each store's own.
package migration

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"

	"pipedai/store"
)

// Table is where the engine tracks its migrations, and not in
// schema_migrations, whose rows belong to the older tools.
const Table = "engine_migrations"

// Set is the migrations of a store, oldest first.
type Set []source

type source struct {
	version int64
	name    string // "engine" of "00002_engine.sql"
	text    string
}

// Load reads the SQL files in the folder "migrations".
func Load(files fs.FS) (Set, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var out Set
	for _, name := range names { // Glob sorts
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		out = append(out, source{version, nameOf(name), string(text)})
	}
	return out, nil
}

func nameOf(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
	return name
}

// Texts are the statements of all of them.
func (s Set) Texts() []string {
	var out []string
	for _, src := range s {
		out = append(out, src.text)
	}
	return out
}

// List is every migration, with the time it was applied.
func (s Set) List(applied map[int64]time.Time) []store.Migration {
	var out []store.Migration
	for _, src := range s {
		out = append(out, store.Migration{Version: src.version, Name: src.name, AppliedAt: applied[src.version]})
	}
	return out
}

// Check is nil, store.ErrNotMigrated or store.ErrNewerSchema.
func (s Set) Check(applied map[int64]time.Time) error {
	missing, newer := s.compare(applied)
	switch {
	case len(newer) > 0:
		return fmt.Errorf("%w: it has migration %d, this program knows %d", store.ErrNewerSchema, newer[0], s.newest())
	case len(missing) > 0:
		return fmt.Errorf("%w: migration %d is missing", store.ErrNotMigrated, missing[0].version)
	}
	return nil
}

// Differences says the same for people, a sentence for each migration.
func (s Set) Differences(applied map[int64]time.Time) []string {
	var out []string
	missing, newer := s.compare(applied)
	for _, src := range missing {
		out = append(out, fmt.Sprintf("migration %03d_%s is not applied", src.version, src.name))
	}
	for _, version := range newer {
		out = append(out, fmt.Sprintf("migration %03d is applied, which only a newer version of this program knows", version))
	}
	return out
}

// compare returns what is not applied, and what is and is not known, both
// ascending.
func (s Set) compare(applied map[int64]time.Time) (missing Set, newer []int64) {
	for _, src := range s {
		if _, ok := applied[src.version]; !ok {
			missing = append(missing, src)
		}
	}
	for _, version := range slices.Sorted(maps.Keys(applied)) {
		if version > s.newest() {
			newer = append(newer, version)
		}
	}
	return missing, newer
}

func (s Set) newest() int64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].version
}

// Done is what a run applied, also one that failed on the way, at that time.
func Done(results []*goose.MigrationResult, err error, now time.Time) []store.Migration {
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	var out []store.Migration
	for _, r := range results {
		out = append(out, store.Migration{Version: r.Source.Version, Name: nameOf(r.Source.Path), AppliedAt: now, Took: r.Duration})
	}
	return out
}
