//go:build cgo

package sqlitefile

import (
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"
)

const driverName = "sqlite3"

// statements are how many prepared ones each connection keeps. Preparing takes
// longer than running what we run.
const statements = 64

func dsn(path string, o Options, readOnly bool) string {
	s := fmt.Sprintf("%s?_journal_mode=WAL&_synchronous=%s&_busy_timeout=%d&_foreign_keys=on&_mutex=no&_stmt_cache_size=%d",
		fileURI(path), o.Synchronous, o.BusyTimeout.Milliseconds(), statements)
	if readOnly {
		return s + "&_query_only=true"
	}
	return s + "&_txlock=immediate"
}

// resultCode finds SQLite's extended result code in an error of the driver.
func resultCode(err error) (int, bool) {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	if e.ExtendedCode != 0 {
		return int(e.ExtendedCode), true
	}
	return int(e.Code), true
}

// cause is what the system said.
func cause(err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && e.SystemErrno != 0 {
		return e.SystemErrno
	}
	return err
}
