package postgres

import (
	"testing"

	"pipedai/store/storetest"
)

// The cluster of the tests runs without fsync: an upper bound.
func BenchmarkLifeCycle(b *testing.B) { storetest.BenchmarkLifeCycle(b, open) }
