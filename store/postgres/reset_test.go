package postgres

import (
	"strings"
	"testing"
)

// A reset leaves nothing of ours in the database, temp_uploads and the
// functions included (defect 108), and what others keep there alone.
func TestReset_LeavesNothing(t *testing.T) {
	t.Parallel()
	s := migrated(t).(*Store)
	if _, err := s.pool.Exec(t.Context(), `create table theirs (id int); insert into theirs values (1)`); err != nil {
		t.Fatal(err)
	}
	const ours = `select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = 'public' and relkind in ('r', 'p', 'S', 'v', 'm') and relname <> 'theirs'
		union all select proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
			where n.nspname = 'public' and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')`
	if before := s.strings1(t, ours); len(before) < 15 {
		t.Fatalf("only %q are there before", before)
	}
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := s.strings1(t, ours); len(left) > 0 {
		t.Errorf("a reset left %s", strings.Join(left, ", "))
	}
	if theirs := s.strings1(t, `select id::text from theirs`); len(theirs) != 1 {
		t.Error("a reset took what is not ours")
	}
}
