package postgres

import (
	"os"
	"os/exec"
	"testing"

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
	if dsn := os.Getenv(victimDSN); dsn != "" {
		storetest.CrashVictim(t, openAt(t, dsn))
	}
}
