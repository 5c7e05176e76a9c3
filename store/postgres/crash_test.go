package postgres

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"pipedai/internal/testkit"
	"pipedai/store"
	"pipedai/store/storetest"
)

const victimDSN = "PIPEDAI_TEST_CRASH_DSN"

func TestStore_Crash(t *testing.T) {
	t.Parallel()
	dsn := testkit.PostgresLike(t, "migrated", migrate)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	with := func(fn func(store.Store)) { fn(openAt(t, dsn)) }
	storetest.Crash(t, with, func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestStore_CrashVictim$")
		cmd.Env = append(os.Environ(), victimDSN+"="+dsn)
		return cmd
	})
}

// The other half of TestStore_Crash; by itself it tests nothing.
func TestStore_CrashVictim(t *testing.T) {
	dsn := os.Getenv(victimDSN)
	if dsn == "" {
		return
	}
	s := openAt(t, dsn).(*Store)
	// The server may still be at the last statement of the victim before. Its
	// claim would come after the look that finds nothing left.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for others := 1; others > 0; <-tick.C {
		err := s.row(t.Context(), `select count(*) from pg_stat_activity where datname = current_database()
			and pid <> pg_backend_pid() and backend_type = 'client backend' and state <> 'idle'`, nil, &others)
		if err != nil {
			t.Fatal(err)
		}
	}
	storetest.CrashVictim(t, s)
}
