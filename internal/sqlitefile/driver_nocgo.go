//go:build !cgo

package sqlitefile

import (
	"errors"
	"fmt"
	"os"

	"modernc.org/sqlite"
)

const driverName = "sqlite"

func dsn(path string, o Options, readOnly bool) string {
	// busy_timeout comes first: the pragmas after it may have to wait.
	s := fmt.Sprintf("%s?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(%s)&_pragma=foreign_keys(1)",
		fileURI(path), o.BusyTimeout.Milliseconds(), o.Synchronous)
	if readOnly {
		return s + "&_pragma=query_only(1)"
	}
	return s + "&_txlock=immediate"
}

// resultCode finds SQLite's extended result code in an error of the driver.
func resultCode(err error) (int, bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code(), true
}

// cause is what the system said. This driver keeps it to itself, so a look at
// another file has to tell whether any can be opened.
func cause(err error) error {
	f, at := os.Open(os.DevNull)
	if at != nil {
		return at
	}
	return errors.Join(err, f.Close())
}
