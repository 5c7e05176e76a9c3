package sqlite

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pipedai/store"
	"pipedai/store/storetest"
)

const victimFile = "PIPEDAI_TEST_CRASH_FILE"

func TestStore_Crash(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "engine.db")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	with := func(fn func(store.Store)) {
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		fn(s)
	}
	storetest.Crash(t, with, func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestStore_CrashVictim$")
		cmd.Env = append(os.Environ(), victimFile+"="+path)
		return cmd
	})
}

// The other half of TestStore_Crash; by itself it tests nothing.
func TestStore_CrashVictim(t *testing.T) {
	path := os.Getenv(victimFile)
	if path == "" {
		return
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.CrashVictim(t, s)
}
