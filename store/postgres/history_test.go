package postgres

import (
	"testing"

	"pipedai/store/storetest"
)

func TestStore_History(t *testing.T) {
	t.Parallel()
	storetest.History(t, migrated(t))
}
