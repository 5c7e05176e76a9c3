package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pipedai/internal/cliutil"
	"pipedai/store"
	"pipedai/store/postgres"
)

// databaseParts are the pieces of a database address, as older set-ups and
// container platforms give them.
type databaseParts struct {
	host, port, name, user, password, ssl string
}

// databaseFromEnv builds the address from DB_HOST and its like; empty when
// none of them is set.
func databaseFromEnv(getenv func(string) string) (address, origin string, err error) {
	p := databaseParts{
		host: getenv("DB_HOST"), port: getenv("DB_PORT"),
		name: first(getenv("DB_NAME"), getenv("DB_DATABASE")), user: first(getenv("DB_USER"), getenv("DB_USERNAME")),
		password: first(getenv("DB_PASS"), getenv("DB_PASSWORD")), ssl: getenv("DB_SSL"),
	}
	if p.host == "" && p.name == "" && p.user == "" {
		return "", "", nil
	}
	if p.host == "" || p.name == "" || p.user == "" {
		return "", "", errors.New("DB_HOST, DB_NAME and DB_USER belong together; set all three, or DATABASE_URL")
	}
	address, err = p.url()
	return address, "environment DB_HOST", err
}

// url is the address in one piece, with everything escaped.
func (p databaseParts) url() (string, error) {
	port := first(p.port, "5432")
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("database port %q is not a number from 1 to 65535", port)
	}
	out := url.URL{Scheme: "postgres", Path: "/" + p.name, User: url.User(p.user)}
	if p.password != "" {
		out.User = url.UserPassword(p.user, p.password)
	}
	query := url.Values{}
	if strings.HasPrefix(p.host, "/") { // the folder of a socket
		query.Set("host", p.host)
		query.Set("port", port)
	} else {
		out.Host = net.JoinHostPort(p.host, port)
	}
	mode, err := sslMode(p.ssl)
	if err != nil {
		return "", err
	}
	if mode != "" {
		query.Set("sslmode", mode)
	}
	out.RawQuery = query.Encode()
	return out.String(), nil
}

// sslMode is what a word for "with TLS" means. TLS proves who the server is,
// unless somebody says that it need not.
func sslMode(word string) (string, error) {
	switch strings.ToLower(word) {
	case "", "false", "0", "off":
		return "", nil
	case "true", "1", "on":
		return "verify-full", nil
	case "no-verify":
		return "require", nil
	default:
		return "", fmt.Errorf("DB_SSL is %q; use true, false, or no-verify for TLS without checking the certificate", word)
	}
}

// cleanDatabaseURL translates the parameters that older guides put into the
// URL and that are not the database's: they would be sent to it and refused.
// It returns the largest number of connections, if the URL names one.
func cleanDatabaseURL(address string) (clean, pool string, err error) {
	if !strings.HasPrefix(address, "postgres") {
		return address, "", nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", "", errors.New("the database URL is malformed; escape special characters of the password as %XX")
	}
	query := u.Query()
	pool = query.Get("max")
	if query.Get("sslmode") == "" && query.Has("ssl") {
		mode, err := sslMode(query.Get("ssl"))
		if err != nil {
			return "", "", err
		}
		if mode != "" {
			query.Set("sslmode", mode)
		}
	}
	if seconds := query.Get("connection_timeout"); seconds != "" && !query.Has("connect_timeout") {
		query.Set("connect_timeout", seconds)
	}
	for _, older := range []string{"max", "ssl", "idle_timeout", "connection_timeout"} {
		query.Del(older)
	}
	u.RawQuery = query.Encode()
	return u.String(), pool, nil
}

// unproven is the host of a database that is reached over a network without
// proof that it is the right one; empty: there is none.
func unproven(address string) string {
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return ""
	}
	query := u.Query()
	host := first(query.Get("host"), u.Hostname())
	ip := net.ParseIP(host)
	local := host == "" || host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback()
	if mode := query.Get("sslmode"); local || mode == "verify-full" || mode == "verify-ca" {
		return ""
	}
	return host
}

// databaseFlags are how commands that work on the database itself are told
// which one: --url, else its parts, else the environment, else the embedded
// one of the state folder.
type databaseFlags struct {
	url, dataDir string
	parts        databaseParts
	ssl          bool
}

func (f *databaseFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "database URL (DATABASE_URL, or DB_HOST and its like; default: the embedded database)")
	flags.StringVar(&f.parts.host, "host", "", "database host, instead of --url")
	flags.StringVar(&f.parts.port, "port", "5432", "database port")
	flags.StringVar(&f.parts.name, "database", "", "database name")
	flags.StringVar(&f.parts.user, "user", "", "database user")
	flags.StringVar(&f.parts.password, "password", "", "database password; other programs can see it: DB_PASSWORD is safer")
	flags.BoolVar(&f.ssl, "ssl", false, "connect with TLS")
	flags.StringVar(&f.dataDir, "data-dir", "", "state folder of the embedded database (PIPEWEAVE_HOME)")
}

// named reports whether the flags say which database.
func (f databaseFlags) named() bool {
	return f.url != "" || f.parts.host != "" || f.parts.name != "" || f.parts.user != ""
}

// open opens the database that is meant. An embedded one that is not there is
// not made.
func (f databaseFlags) open(ctx context.Context, d *deps) (store.Store, error) {
	address, dir, err := f.target(d)
	if err != nil {
		return nil, err
	}
	if path, absent := absentFile(address, dir); absent {
		return nil, cliutil.Failf(cliutil.ExitFailed, "run: pipeweave db init", "there is no database %s", path)
	}
	return openStore(ctx, address, dir, postgres.Options{})
}

// target is the database that is meant: its URL (empty: the embedded one), and
// the state folder.
func (f databaseFlags) target(d *deps) (address string, dir state, err error) {
	if dir, err = resolveState(f.dataDir, d.Getenv); err != nil {
		return "", dir, err
	}
	switch {
	case f.url != "":
		address = f.url
		if strings.Contains(shownURL(address), "***") {
			d.notef("warning: %s\n", readableByOthers("--url", "DATABASE_URL"))
		}
	case f.named():
		if f.parts.host == "" || f.parts.name == "" || f.parts.user == "" {
			return "", dir, cliutil.UsageError("--host, --database and --user belong together; or give --url")
		}
		p := f.parts
		if p.password == "" {
			p.password = first(d.Getenv("DB_PASS"), d.Getenv("DB_PASSWORD"))
		} else {
			d.notef("warning: %s\n", readableByOthers("--password", "DB_PASSWORD"))
		}
		if f.ssl {
			p.ssl = "true"
		}
		address, err = p.url()
	default:
		if address = d.Getenv("DATABASE_URL"); address == "" {
			address, _, err = databaseFromEnv(d.Getenv)
		}
	}
	if err == nil {
		address, _, err = cleanDatabaseURL(address)
	}
	return address, dir, cliutil.Fail(cliutil.ExitUsage, err, "")
}
