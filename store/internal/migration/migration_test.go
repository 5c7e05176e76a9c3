package migration

import (
	"errors"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/store"
)

func TestSet(t *testing.T) {
	t.Parallel()
	set, err := Load(fstest.MapFS{
		"migrations/00002_more.sql":  {Data: []byte("two")},
		"migrations/00001_first.sql": {Data: []byte("one")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, set.Texts()); diff != "" {
		t.Error(diff)
	}
	at := time.Unix(1, 0)
	for name, tc := range map[string]struct {
		applied map[int64]time.Time
		err     error
		differs []string
	}{
		"all":      {map[int64]time.Time{1: at, 2: at}, nil, nil},
		"none":     {nil, store.ErrNotMigrated, []string{"migration 001_first is not applied", "migration 002_more is not applied"}},
		"newer":    {map[int64]time.Time{1: at, 2: at, 4: at}, store.ErrNewerSchema, []string{"migration 004 is applied, which only a newer version of this program knows"}},
		"a gap":    {map[int64]time.Time{2: at}, store.ErrNotMigrated, []string{"migration 001_first is not applied"}},
		"both":     {map[int64]time.Time{1: at, 3: at}, store.ErrNewerSchema, []string{"migration 002_more is not applied", "migration 003 is applied, which only a newer version of this program knows"}},
		"an older": {map[int64]time.Time{0: at, 1: at, 2: at}, nil, nil},
	} {
		if err := set.Check(tc.applied); !errors.Is(err, tc.err) {
			t.Errorf("%s: got %v, want %v", name, err, tc.err)
		}
		if diff := cmp.Diff(tc.differs, set.Differences(tc.applied)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	want := []store.Migration{{Version: 1, Name: "first", AppliedAt: at}, {Version: 2, Name: "more"}}
	if diff := cmp.Diff(want, set.List(map[int64]time.Time{1: at})); diff != "" {
		t.Error(diff)
	}
}
