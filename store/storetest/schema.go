package storetest

import (
	"sync"
	"testing"

	"pipedai/store"
)

var schemaCases = []testCase{
	{"is not migrated at first", notMigrated, true},
	{"migrates once", migratesOnce, true},
	{"two migrate at once", migratesTogether, true},
	{"says what is missing", validates, true},
	{"a reset leaves nothing and begins anew", resets, true},
}

func notMigrated(f *fixture) {
	f.wantErr(f.CheckSchema(f.ctx), store.ErrNotMigrated)
	all, err := f.Migrations(f.ctx)
	f.must(err)
	for _, m := range all {
		if !m.AppliedAt.IsZero() {
			f.Errorf("migration %d %s is applied at %v before Migrate", m.Version, m.Name, m.AppliedAt)
		}
	}
}

func migratesOnce(f *fixture) {
	first, err := f.Migrate(f.ctx)
	f.must(err)
	f.must(f.CheckSchema(f.ctx))
	all, err := f.Migrations(f.ctx)
	f.must(err)
	if len(first) == 0 || len(first) != len(all) {
		f.Errorf("applied %d migrations of %d", len(first), len(all))
	}
	for _, m := range all {
		if m.AppliedAt.IsZero() || m.Name == "" {
			f.Errorf("migration %d %q: applied at %v", m.Version, m.Name, m.AppliedAt)
		}
	}
	again, err := f.Migrate(f.ctx)
	f.must(err)
	if len(again) != 0 {
		f.Errorf("a second Migrate applied %v", again)
	}
}

func migratesTogether(f *fixture) {
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = f.Migrate(f.ctx) })
	}
	wg.Wait()
	for _, err := range errs {
		f.must(err)
	}
	f.must(f.CheckSchema(f.ctx))
}

func validates(f *fixture) {
	if problems := f.lacks(); len(problems) < 12 {
		f.Errorf("an empty database lacks only %q", problems)
	}
	f.must1(f.Migrate(f.ctx))
	if problems := f.lacks(); len(problems) > 0 {
		f.Errorf("a migrated database lacks %q", problems)
	}
}

func resets(f *fixture) {
	f.must1(f.Migrate(f.ctx))
	f.register(task("a"))
	f.enqueue("a")
	f.must(f.Reset(f.ctx))
	f.wantErr(f.CheckSchema(f.ctx), store.ErrNotMigrated)
	f.must1(f.Migrate(f.ctx))
	if problems := f.lacks(); len(problems) > 0 {
		f.Errorf("after a reset the database lacks %q", problems)
	}
	q, err := f.QueueStatus(f.ctx)
	f.must(err)
	if q.Pending != 0 {
		f.Errorf("work survived a reset: %+v", q)
	}
}

// lacks is what Validate says.
func (f *fixture) lacks() []string {
	f.Helper()
	problems, err := f.Validate(f.ctx)
	f.must(err)
	return problems
}

// RefusesNewer checks that a database with a migration this program does not
// know is refused and left alone. Record writes the fact that migration 9999
// was applied.
func RefusesNewer(t *testing.T, s store.Store, record func() error) {
	t.Helper()
	f := &fixture{TB: t, Store: s, ctx: t.Context()}
	f.must1(s.Migrate(f.ctx))
	f.must(record())
	f.wantErr(s.CheckSchema(f.ctx), store.ErrNewerSchema)
	_, err := s.Migrate(f.ctx)
	f.wantErr(err, store.ErrNewerSchema)
}
