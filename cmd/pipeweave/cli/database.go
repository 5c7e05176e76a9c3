package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"pipedai/internal/cliutil"
	"pipedai/internal/sqlitefile"
	"pipedai/store"
	"pipedai/store/postgres"
	"pipedai/store/sqlite"
)

// openStore opens the database that a URL names: a PostgreSQL one, or the file
// behind "sqlite:"; empty means the state folder's own file. It does not
// migrate.
func openStore(ctx context.Context, databaseURL string, dir state, o postgres.Options) (store.Store, error) {
	if path, embedded := databaseFile(databaseURL, dir); embedded {
		st, err := sqlite.Open(ctx, path, sqlite.Options{})
		if err != nil {
			return nil, fileError(err)
		}
		return st, nil
	}
	scheme, _, _ := strings.Cut(databaseURL, ":")
	switch scheme {
	case "postgres", "postgresql":
		st, err := postgres.Open(ctx, databaseURL, o)
		if err == nil {
			if err = st.Ping(ctx); err != nil {
				_ = st.Close() // there is nothing in it yet
			}
		}
		if err != nil {
			return nil, cliutil.Fail(cliutil.ExitFailed, fmt.Errorf("Database connection test failed: %s", withoutPassword(err.Error(), databaseURL)),
				"check DATABASE_URL and that the server is up")
		}
		return st, nil
	default:
		return nil, cliutil.UsageError("the database URL starts with %q; supported are postgres://, postgresql:// and sqlite:FILE", scheme+":")
	}
}

// databaseFile returns the file of an embedded database; false when the URL
// names a database of another kind.
func databaseFile(databaseURL string, dir state) (string, bool) {
	if databaseURL == "" {
		return dir.database(), true
	}
	path, found := strings.CutPrefix(databaseURL, "sqlite:")
	return strings.TrimPrefix(path, "//"), found
}

// fileError says what helps when a database file cannot be opened.
func fileError(err error) error {
	switch {
	case errors.Is(err, sqlitefile.ErrLocked):
		return cliutil.Fail(cliutil.ExitConflict, err, "stop the program that has it open")
	case errors.Is(err, sqlitefile.ErrCorrupt):
		return cliutil.Fail(cliutil.ExitFailed, err, "restore a backup, or move the file away to begin with an empty one")
	case errors.Is(err, sqlitefile.ErrOutOfFiles):
		return cliutil.Fail(cliutil.ExitFailed, err, cliutil.MoreFiles)
	default:
		return cliutil.Fail(cliutil.ExitFailed, err, "make the file and its folder writable, or choose others with --data-dir")
	}
}

// secretParams are the parameters of a database URL that nobody may see.
var secretParams = []string{"password", "sslpassword"}

// shownURL is a database URL as anybody may see it. What is no URL is not shown
// at all: nobody knows where its password is.
func shownURL(databaseURL string) string {
	if strings.HasPrefix(databaseURL, "sqlite:") {
		return databaseURL // a file
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "*** (malformed)"
	}
	query := u.Query()
	for _, name := range secretParams {
		if query.Has(name) {
			query.Set(name, "xxxxx") // as Redacted has it
			u.RawQuery = query.Encode()
		}
	}
	return strings.ReplaceAll(u.Redacted(), "xxxxx", "***")
}

// withoutPassword removes the passwords of a URL from a text about it, as they
// are and as the URL spells them.
func withoutPassword(text, databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "the URL is malformed" // the parser's text would quote it whole
	}
	var secrets []string
	if password, set := u.User.Password(); set {
		_, spelled, _ := strings.Cut(u.User.String(), ":")
		secrets = append(secrets, spelled, password)
	}
	for _, name := range secretParams {
		value := u.Query().Get(name)
		secrets = append(secrets, value, url.QueryEscape(value))
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// schemaError explains why a database cannot be used as it is.
func schemaError(err error, target string) error {
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return cliutil.Failf(cliutil.ExitFailed, "install that version, or use another database",
			"the database %s was written by a newer version of pipeweave; nothing was changed", target)
	case errors.Is(err, store.ErrNotMigrated):
		return cliutil.Failf(cliutil.ExitFailed, "run: pipeweave db migrate   (or start with AUTO_MIGRATE=true)",
			"the database %s lacks migrations that this version needs", target)
	default:
		return err
	}
}
