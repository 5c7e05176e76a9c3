package cli

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"pipedai/controlplane"
	"pipedai/engine"
	"pipedai/internal/cliutil"
	"pipedai/internal/localnet"
	"pipedai/internal/oplog"
	"pipedai/internal/secret"
	"pipedai/pipeline"
	"pipedai/storage"
)

// serveConfig is everything serve needs to know, resolved once.
type serveConfig struct {
	state        state
	host         string
	port         int
	publicURL    string
	hosts        []string // further names this server answers to
	requireToken bool
	baseURLs     controlplane.BaseURLs
	networks     []netip.Prefix // of services; none: any

	databaseURL  string // empty: the embedded database
	databasePool int    // most connections to a shared one
	autoMigrate  bool

	backends       []storage.Config
	defaultBackend string
	secret         secret.Text // empty: the state folder's own

	mode           string
	maxConcurrency int
	pollInterval   time.Duration
	keep           keeping
	logLevel       string
	logFormat      string
	warnings       []string
}

// resolveServe makes what serve needs of the settings, and reports every
// problem at once.
func resolveServe(all choices, getenv func(string) string) (serveConfig, error) {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	value := func(key string) string { return all[key].value }
	c := serveConfig{
		publicURL:      strings.TrimRight(value("publicUrl"), "/"),
		autoMigrate:    all["autoMigrate"].on(),
		requireToken:   all["requireToken"].on(),
		defaultBackend: value("defaultStorageBackend"),
		mode:           value("mode"),
	}
	dir, err := resolveState(value("dataDir"), getenv)
	if err != nil {
		bad("%w", err)
	}
	c.state = dir
	c.resolveAddress(all, bad)
	c.resolveDatabase(all, getenv, bad)
	if c.mode != engine.Standalone && c.mode != engine.Serverless {
		bad("mode %q is not standalone or serverless", c.mode)
	}
	c.maxConcurrency = whole(value("maxConcurrency"), "max concurrency", bad)
	c.pollInterval = interval(value("pollInterval"), bad)
	c.keep = resolveKeeping(value, bad)
	c.resolveLog(all, bad)
	c.resolveBaseURLs(all, bad)

	c.secret = secret.Text(value("secretKey"))
	if file := value("secretKeyFile"); file != "" {
		if c.secret, err = readSecret(file); err != nil {
			bad("secret key: %w", err)
		}
	}
	if n := len(c.secret.Reveal()); n > 0 && n < 32 {
		c.warnings = append(c.warnings, "PIPEWEAVE_SECRET_KEY is short; 32 random bytes as 64 hex digits are recommended")
	}
	backends, flagged, err := parseBackends(value("storageBackends"), dir, getenv)
	if err == nil {
		c.backends, c.defaultBackend = backends, first(c.defaultBackend, flagged)
		err = errors.Join(chooseBackend(backends, c.defaultBackend), keepApart(backends, dir, c.databaseURL))
	}
	if err != nil {
		bad("storage backends: %w", err)
	}
	c.warnings = append(c.warnings, all.exposed()...)
	return c, cliutil.Fail(cliutil.ExitUsage, errors.Join(problems...), "see: pipeweave config show --origin, pipeweave serve --help")
}

// resolveLog reads how much is logged, and in which form.
func (c *serveConfig) resolveLog(all choices, bad func(string, ...any)) {
	c.logLevel, c.logFormat = all["logLevel"].value, all["logFormat"].value
	switch c.logLevel {
	case oplog.Minimal, oplog.Normal, oplog.Detailed:
	default: // older sample files have words of their own, and the server must start
		c.warnings = append(c.warnings, fmt.Sprintf("log level %q is not minimal, normal or detailed; using normal", c.logLevel))
		c.logLevel = oplog.Normal
	}
	switch c.logFormat {
	case oplog.Text, oplog.JSON, oplog.GCP:
	case "":
		c.logFormat = oplog.Text
		if all["gcpProject"].value != "" {
			c.logFormat = oplog.GCP
		}
	default:
		bad("log format %q is not text, json or gcp", c.logFormat)
	}
}

// resolveBaseURLs reads where services are reached that announce another
// address, and where they may be.
func (c *serveConfig) resolveBaseURLs(all choices, bad func(string, ...any)) {
	c.baseURLs = controlplane.BaseURLs{Loopback: all["rewriteLoopback"].on(), Services: map[pipeline.ServiceID]string{}}
	for _, entry := range all["serviceUrls"].list() {
		service, address, found := strings.Cut(entry, "=")
		if !found || service == "" || !validURL(address) {
			bad("service URL %q is not SERVICE=http://...", entry)
			continue
		}
		c.baseURLs.Services[pipeline.ServiceID(service)] = address
	}
	for _, entry := range all["workerNetworks"].list() {
		network, err := parseNetwork(entry)
		if err != nil {
			bad("worker network %q is not an address or a network like 10.0.0.0/8", entry)
			continue
		}
		c.networks = append(c.networks, network)
	}
}

// parseNetwork reads a network, or the one of a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		address = address.Unmap()
		return address.Prefix(address.BitLen())
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err
}

// resolveAddress reads where the server listens, under which names, and who
// may come in.
func (c *serveConfig) resolveAddress(all choices, bad func(string, ...any)) {
	addr := all["addr"].value
	if addr == "" {
		addr = net.JoinHostPort("127.0.0.1", all["port"].value)
	}
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		c.host = first(host, "0.0.0.0")
		c.port, err = strconv.Atoi(port)
	}
	if err != nil || c.port < 0 || c.port > 65535 {
		bad("address %q is not host:port", addr)
	}
	if c.host != "" && !localnet.IsLoopback(c.host) && !c.requireToken {
		bad("%s can be reached from other machines, and no sign-in is required: pass --require-token as well, or bind 127.0.0.1", addr)
	}
	if c.publicURL != "" && !validURL(c.publicURL) {
		bad("public URL %q is not an http or https address", c.publicURL)
	}
	for _, name := range all["allowHosts"].list() {
		c.hosts = append(c.hosts, strings.ToLower(name))
	}
}

// resolveDatabase reads which database it is, and how many connections it may
// get.
func (c *serveConfig) resolveDatabase(all choices, getenv func(string) string, bad func(string, ...any)) {
	address := all["databaseUrl"].value
	var err error
	if address == "" {
		if address, _, err = databaseFromEnv(getenv); err != nil {
			bad("%w", err)
		}
	}
	clean, pool, err := cleanDatabaseURL(address)
	if err != nil {
		bad("%w", err)
	}
	c.databaseURL = clean
	if host := unproven(clean); host != "" {
		c.warnings = append(c.warnings, fmt.Sprintf("whoever answers for the database host %s is believed; sslmode=verify-full in its URL, or DB_SSL=true, asks for proof", host))
	}
	c.databasePool = whole(first(pool, all["databasePool"].value), "database pool", bad)
	if c.databasePool > 10000 {
		bad("database pool %d is more than any database takes", c.databasePool)
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

// keeping is how long things are kept and waited for.
type keeping struct {
	idempotencyTTL, maxRetryDelay, deadLetters, runs, audit, runEvents, workerTokens time.Duration
}

func resolveKeeping(value func(string) string, bad func(string, ...any)) keeping {
	span := func(key, name string, unit time.Duration, least int) time.Duration {
		n, err := strconv.Atoi(value(key))
		if most := int(100 * 365 * 24 * time.Hour / unit); err != nil || n < least || n > most {
			bad("%s %q is not a whole number from %d to %d", name, value(key), least, most)
		}
		return time.Duration(n) * unit
	}
	day := 24 * time.Hour
	k := keeping{
		idempotencyTTL: span("idempotencyTtl", "idempotency TTL", time.Second, 1),
		maxRetryDelay:  span("maxRetryDelay", "max retry delay", time.Millisecond, 1),
		deadLetters:    span("deadLetterRetention", "dead letter retention", day, 0),
		runs:           span("runRetention", "run retention", day, 0),
		audit:          span("auditRetention", "audit retention", day, 0),
		workerTokens:   span("workerTokenMaxAge", "worker token age", day, 0),
		runEvents:      span("runEventRetention", "run event retention", day, 0),
	}
	if k.deadLetters == 0 {
		k.deadLetters = -1 // for good; to the engine 0 means its default
	}
	if k.runEvents == 0 {
		k.runEvents = -1
	}
	return k
}
