package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pipedai/engine"
	"pipedai/internal/cliutil"
	"pipedai/internal/localnet"
	"pipedai/internal/secret"
	"pipedai/storage"
)

// serveFlags are the flags of serve as given; empty means not given.
type serveFlags struct {
	addr, dataDir, databaseURL, publicURL        string
	storageBackends, defaultBackend              string
	mode, logLevel, maxConcurrency, pollInterval string
	secretKeyFile                                string
	allowHosts                                   []string
	requireToken, autoMigrate                    bool
}

// serveConfig is everything serve needs to know, resolved once: flag, then
// environment, then default.
type serveConfig struct {
	state        state
	host         string
	port         int
	publicURL    string
	hosts        []string // further names this server answers to
	requireToken bool

	databaseURL string // empty: the embedded database
	autoMigrate bool

	backends       []storage.Config
	defaultBackend string
	secret         secret.Text // empty: the state folder's own

	mode           string
	maxConcurrency int
	pollInterval   time.Duration
	logLevel       string
	warnings       []string
}

// resolve reads flags and environment, and reports every problem at once.
func (f serveFlags) resolve(getenv func(string) string) (serveConfig, error) {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	c := serveConfig{
		publicURL:      strings.TrimRight(first(f.publicURL, getenv("PIPEWEAVE_PUBLIC_URL")), "/"),
		databaseURL:    first(f.databaseURL, getenv("DATABASE_URL")),
		defaultBackend: first(f.defaultBackend, getenv("DEFAULT_STORAGE_BACKEND_ID")),
		mode:           first(f.mode, getenv("MODE"), engine.Standalone),
		logLevel:       first(f.logLevel, getenv("LOG_LEVEL"), "normal"),
	}
	dir, err := resolveState(f.dataDir, getenv)
	if err != nil {
		bad("%w", err)
	}
	c.state = dir

	f.resolveAddress(&c, getenv, bad)
	if c.mode != engine.Standalone && c.mode != engine.Serverless {
		bad("mode %q is not standalone or serverless", c.mode)
	}
	c.maxConcurrency = whole(first(f.maxConcurrency, getenv("MAX_CONCURRENCY"), "10"), "max concurrency", bad)
	c.pollInterval = interval(first(f.pollInterval, getenv("POLL_INTERVAL_MS"), "1000"), bad)
	switch c.logLevel {
	case "minimal", "normal", "detailed":
	default:
		c.warnings = append(c.warnings, fmt.Sprintf("log level %q is not minimal, normal or detailed; using normal", c.logLevel))
		c.logLevel = "normal"
	}
	// A value of the environment is the older spelling for containers.
	c.autoMigrate = f.autoMigrate || truthy(getenv("AUTO_MIGRATE")) || truthy(getenv("AUTO_INIT_DB"))

	c.secret = secret.Text(getenv("PIPEWEAVE_SECRET_KEY"))
	if file := first(f.secretKeyFile, getenv("PIPEWEAVE_SECRET_KEY_FILE")); file != "" {
		if c.secret, err = readSecret(file); err != nil {
			bad("secret key: %w", err)
		}
	}
	if n := len(c.secret.Reveal()); n > 0 && n < 32 {
		c.warnings = append(c.warnings, "PIPEWEAVE_SECRET_KEY is short; 32 random bytes as 64 hex digits are recommended")
	}
	backends, flagged, err := parseBackends(first(f.storageBackends, getenv("STORAGE_BACKENDS")), dir)
	if err == nil {
		c.backends, c.defaultBackend = backends, first(c.defaultBackend, flagged)
		err = errors.Join(chooseBackend(backends, c.defaultBackend), keepApart(backends, dir, c.databaseURL))
	}
	if err != nil {
		bad("storage backends: %w", err)
	}
	return c, cliutil.Fail(cliutil.ExitUsage, errors.Join(problems...), "see: pipeweave serve --help")
}

// resolveAddress reads where the server listens, under which names, and who
// may come in.
func (f serveFlags) resolveAddress(c *serveConfig, getenv func(string) string, bad func(string, ...any)) {
	addr := first(f.addr, getenv("PIPEWEAVE_ADDR"))
	if addr == "" {
		addr = net.JoinHostPort("127.0.0.1", first(getenv("PORT"), "3000"))
	}
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		c.host = first(host, "0.0.0.0")
		c.port, err = strconv.Atoi(port)
	}
	if err != nil || c.port < 0 || c.port > 65535 {
		bad("address %q is not host:port", addr)
	}
	c.requireToken = f.requireToken || truthy(getenv("PIPEWEAVE_REQUIRE_TOKEN"))
	if c.host != "" && !localnet.IsLoopback(c.host) && !c.requireToken {
		bad("%s can be reached from other machines, and no sign-in is required: pass --require-token as well, or bind 127.0.0.1", addr)
	}
	if c.publicURL != "" && !validURL(c.publicURL) {
		bad("public URL %q is not an http or https address", c.publicURL)
	}
	for _, name := range append(f.allowHosts, list(getenv("PIPEWEAVE_ALLOW_HOSTS"))...) {
		c.hosts = append(c.hosts, strings.ToLower(name))
	}
}

// backendConfig is one item of STORAGE_BACKENDS.
type backendConfig struct {
	storage.Config
	IsDefault bool `json:"isDefault"`
}

// parseBackends reads the JSON array and the id of its default (the flagged or
// the first), or makes the embedded one: a folder beside the database.
func parseBackends(text string, dir state) (all []storage.Config, flagged string, err error) {
	if text == "" {
		return []storage.Config{{
			ID: "local", Provider: "local", Endpoint: "file://", Bucket: "storage",
			Credentials: storage.Credentials{"basePath": dir.storage()},
		}}, "local", nil
	}
	var items []backendConfig
	if err := json.Unmarshal([]byte(text), &items); err != nil {
		return nil, "", fmt.Errorf("not a JSON array of backends: %w", err)
	}
	if len(items) == 0 {
		return nil, "", errors.New("at least one storage backend must be configured")
	}
	out := []storage.Config{}
	seen := map[string]bool{}
	for _, item := range items {
		switch {
		case item.ID == "" || item.Provider == "" || item.Bucket == "":
			return nil, "", fmt.Errorf("backend %q: id, provider and bucket are required", item.ID)
		case seen[item.ID]:
			return nil, "", fmt.Errorf("duplicate storage backend ID: %s", item.ID)
		}
		seen[item.ID] = true
		if item.IsDefault && flagged == "" {
			flagged = item.ID
		}
		out = append(out, item.Config)
	}
	return out, first(flagged, out[0].ID), nil
}

// chooseBackend checks the default that was asked for by id.
func chooseBackend(backends []storage.Config, id string) error {
	for _, b := range backends {
		if b.ID == id {
			return nil
		}
	}
	return fmt.Errorf("default storage backend '%s' not found", id)
}

// keepApart refuses local storage that would hold the state folder or the
// database: every worker is told where storage is, and every reader of objects
// would reach the server's secrets through it.
func keepApart(backends []storage.Config, dir state, databaseURL string) error {
	own := []string{dir.dir}
	if file, embedded := databaseFile(databaseURL, dir); embedded {
		own = append(own, file)
	}
	for _, b := range backends {
		base := b.Credentials["basePath"]
		if b.Provider != "local" || base == "" {
			continue
		}
		for _, path := range own {
			inside, err := filepath.Rel(realPath(base), realPath(path))
			if err == nil && filepath.IsLocal(inside) {
				return fmt.Errorf("%s: the folder %s holds %s, which is the server's own; use a folder apart from it, such as %s", b.ID, base, path, dir.storage())
			}
		}
	}
	return nil
}

// realPath is a path, absolute and without links as far as it exists.
func realPath(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	for rest := ""; ; {
		if real, err := filepath.EvalSymlinks(abs); err == nil {
			return filepath.Join(real, rest)
		}
		parent := filepath.Dir(abs)
		if parent == abs {
			return filepath.Join(abs, rest)
		}
		abs, rest = parent, filepath.Join(filepath.Base(abs), rest)
	}
}

// names are the exact Host values of a server on a port: loopback names, the
// bound address, the public URL's and what was allowed besides.
func (c serveConfig) names(port int) []string {
	out := localnet.LoopbackHosts(port)
	if ip := net.ParseIP(c.host); ip != nil && !ip.IsUnspecified() {
		out = append(out, net.JoinHostPort(c.host, strconv.Itoa(port)))
	}
	if public, err := url.Parse(c.publicURL); err == nil && public.Host != "" {
		out = append(out, strings.ToLower(public.Host))
	}
	return append(out, c.hosts...)
}

// origins are the exact Origin values that go with names.
func (c serveConfig) origins(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, "http://"+name)
	}
	if public, err := url.Parse(c.publicURL); err == nil && public.Scheme == "https" {
		out = append(out, "https://"+strings.ToLower(public.Host))
	}
	return out
}

func truthy(text string) bool {
	on, err := strconv.ParseBool(text)
	return err == nil && on
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func whole(text, name string, bad func(string, ...any)) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		bad("%s %q is not a whole number from 1", name, text)
	}
	return n
}

// interval reads milliseconds, or a duration with a unit.
func interval(text string, bad func(string, ...any)) time.Duration {
	d, err := time.ParseDuration(text)
	if n, numErr := strconv.Atoi(text); numErr == nil {
		d, err = time.Duration(n)*time.Millisecond, nil
	}
	if err != nil || d < time.Millisecond {
		bad("poll interval %q is not at least 1 ms", text)
	}
	return d
}
