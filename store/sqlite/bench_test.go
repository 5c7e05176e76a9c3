package sqlite

import (
	"path/filepath"
	"testing"

	"pipedai/store"
	"pipedai/store/storetest"
)

func BenchmarkLifeCycle(b *testing.B) {
	storetest.BenchmarkLifeCycle(b, func(tb testing.TB) store.Store {
		s, err := Open(tb.Context(), filepath.Join(tb.TempDir(), "engine.db"), Options{}) // as shipped: synchronous=FULL
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = s.Close() })
		return s
	})
}
