package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// setting is one thing that an operator of `pipeweave serve` can choose, with
// every place where it may be said: a flag wins over the environment, that over
// the configuration file, that over the default.
type setting struct {
	key    string   // its name in the configuration file
	flag   string   // empty: none
	env    []string // the first that is set counts
	def    string
	kind   settingKind
	hidden bool // its value is never shown, and not read from the file
	usage  string
}

type settingKind int

const (
	text   settingKind = iota
	toggle             // true or false
	many               // comma-separated; its flag may be repeated
)

// serveSettings is the table of them all. docs/configuration.md explains each,
// and a test compares the two.
func serveSettings() []setting {
	return []setting{
		{key: "config", flag: "config", env: []string{"PIPEWEAVE_CONFIG"}, usage: "configuration file; default: config.yaml in the state folder, if there is one"},
		{key: "dataDir", flag: "data-dir", env: []string{"PIPEWEAVE_HOME"}, usage: "state folder; default: the user's state folder"},
		{key: "addr", flag: "addr", env: []string{"PIPEWEAVE_ADDR"}, usage: "address to listen on; port 0 takes a free one; default: 127.0.0.1 and PORT"},
		{key: "port", env: []string{"PORT"}, def: "3000"},
		{key: "publicUrl", flag: "public-url", env: []string{"PIPEWEAVE_PUBLIC_URL"}, usage: "how hosts and browsers reach this server"},
		{key: "allowHosts", flag: "allow-host", env: []string{"PIPEWEAVE_ALLOW_HOSTS"}, kind: many, usage: "further host:port this server answers to"},
		{key: "rewriteLoopback", flag: "rewrite-loopback", env: []string{"PIPEWEAVE_REWRITE_LOOPBACK"}, def: "false", kind: toggle, usage: "reach services that announce localhost at the address they announce it from"},
		{key: "serviceUrls", flag: "service-url", env: []string{"PIPEWEAVE_SERVICE_URLS"}, kind: many, usage: "SERVICE=URL: reach a service there, whatever it announces"},
		{key: "workerNetworks", flag: "worker-network", env: []string{"PIPEWEAVE_WORKER_NETWORKS"}, kind: many, usage: "address or network (10.0.0.0/8) that services may be in; default: any that is no infrastructure"},
		{key: "requireToken", flag: "require-token", env: []string{"PIPEWEAVE_REQUIRE_TOKEN"}, def: "false", kind: toggle, usage: "ask every caller for a token, local programs too"},

		{key: "databaseUrl", flag: "database-url", env: []string{"DATABASE_URL"}, usage: "postgres://... or sqlite:FILE; default: DB_HOST and the like, else a file in the state folder"},
		{key: "databasePool", env: []string{"DB_POOL_MAX"}, def: "10"},
		{key: "autoMigrate", flag: "auto-migrate", env: []string{"AUTO_MIGRATE", "AUTO_INIT_DB"}, def: "false", kind: toggle, usage: "upgrade a PostgreSQL database at the start"},

		{key: "storageBackends", flag: "storage-backends", env: []string{"STORAGE_BACKENDS"}, usage: "JSON array of backends; default: a folder in the state folder"},
		{key: "defaultStorageBackend", flag: "default-storage-backend", env: []string{"DEFAULT_STORAGE_BACKEND_ID"}, usage: "id of the backend for inputs and results"},

		{key: "secretKeyFile", flag: "secret-key-file", env: []string{"PIPEWEAVE_SECRET_KEY_FILE"}, usage: "file with the secret shared with workers; default: PIPEWEAVE_SECRET_KEY, else one made at the first start"},
		{key: "secretKey", env: []string{"PIPEWEAVE_SECRET_KEY"}, hidden: true},

		{key: "workerTokenMaxAge", flag: "worker-token-max-age-days", env: []string{"WORKER_TOKEN_MAX_AGE_DAYS"}, def: "30", usage: "days after which workers replace their tokens; 0: never by themselves"},

		{key: "mode", flag: "mode", env: []string{"MODE"}, def: "standalone", usage: "standalone, or serverless: work only when /api/tick is called"},
		{key: "maxConcurrency", flag: "max-concurrency", env: []string{"MAX_CONCURRENCY"}, def: "10", usage: "most task runs at a time"},
		{key: "pollInterval", flag: "poll-interval", env: []string{"POLL_INTERVAL_MS"}, def: "1000", usage: "safety net for lost wake-ups, in ms"},

		{key: "idempotencyTtl", flag: "idempotency-ttl", env: []string{"IDEMPOTENCY_TTL_SECONDS"}, def: "86400", usage: "how long results answer for idempotency keys, in seconds"},
		{key: "maxRetryDelay", flag: "max-retry-delay", env: []string{"MAX_RETRY_DELAY_MS"}, def: "86400000", usage: "longest delay before a retry, in ms, of tasks without their own"},
		{key: "deadLetterRetention", flag: "dlq-retention-days", env: []string{"DLQ_RETENTION_DAYS"}, def: "30", usage: "days that dead letters are kept; 0 keeps them"},
		{key: "runRetention", flag: "run-retention-days", env: []string{"RUN_RETENTION_DAYS"}, def: "0", usage: "days that runs are kept after their end; 0 keeps them"},
		{key: "auditRetention", flag: "audit-retention-days", env: []string{"AUDIT_RETENTION_DAYS"}, def: "365", usage: "days that lines of the audit log are kept; 0 keeps them"},
		{key: "runEventRetention", flag: "run-event-retention-days", env: []string{"RUN_EVENT_RETENTION_DAYS"}, def: "7", usage: "days that the events of task runs are kept; 0 keeps them as long as the runs"},

		{key: "logLevel", flag: "log-level", env: []string{"LOG_LEVEL"}, def: "normal", usage: "minimal, normal or detailed"},
		{key: "logFormat", flag: "log-format", env: []string{"PIPEWEAVE_LOG_FORMAT"}, usage: "text, json, or gcp for Google Cloud; default: text, and gcp where GCP_PROJECT_ID is set"},
		{key: "gcpProject", env: []string{"GCP_PROJECT_ID"}},
	}
}

// bindSettings adds the flags of a table.
func bindSettings(flags *pflag.FlagSet, table []setting) {
	for _, s := range table {
		usage := s.usage
		if said := strings.Join(slices.DeleteFunc([]string{strings.Join(s.env, ", "), s.shownDefault()}, func(t string) bool { return t == "" }), "; "); said != "" {
			usage += " (" + said + ")"
		}
		switch {
		case s.flag == "":
		case s.kind == toggle:
			flags.Bool(s.flag, false, usage)
		case s.kind == many:
			flags.StringArray(s.flag, nil, usage)
		default:
			flags.String(s.flag, "", usage)
		}
	}
}

func (s setting) shownDefault() string {
	if s.def == "" || s.kind == toggle {
		return ""
	}
	return "default " + s.def
}

// choice is what was chosen for a setting, and where.
type choice struct {
	setting
	value  string
	origin string // "flag --addr", "environment PORT", "file /etc/p.yaml" or "default"
}

func (c choice) on() bool       { return c.value == "true" }
func (c choice) list() []string { return list(c.value) }

// shown is the value as anybody may see it.
func (c choice) shown() string {
	switch {
	case c.value == "":
		return ""
	case c.hidden:
		return "***"
	case c.key == "databaseUrl":
		return shownURL(c.value)
	case c.key == "storageBackends":
		return shownBackends(c.value)
	default:
		return c.value
	}
}

// exposed says where a secret was given by flag: every program on the machine
// can read the command line.
func (all choices) exposed() (warnings []string) {
	for _, c := range all {
		if strings.HasPrefix(c.origin, "flag ") && strings.Contains(c.shown(), "***") {
			warnings = append(warnings, readableByOthers("--"+c.flag, c.env[0]))
		}
	}
	slices.Sort(warnings)
	return warnings
}

func readableByOthers(flag, env string) string {
	return fmt.Sprintf("other programs on this machine can read %s; %s hides it", flag, env)
}

// shownBackends is a JSON array of backends without their credentials.
func shownBackends(value string) string {
	var items []map[string]any
	if json.Unmarshal([]byte(value), &items) != nil {
		return "***"
	}
	for _, item := range items {
		if _, set := item["credentials"]; set {
			item["credentials"] = "***"
		}
	}
	out, err := json.Marshal(items)
	if err != nil {
		return "***"
	}
	return string(out)
}

// choices are the settings of a table, resolved.
type choices map[string]choice

// resolveSettings decides every setting of a table, and reports all that is
// wrong with where it was said.
func resolveSettings(table []setting, flags *pflag.FlagSet, getenv func(string) string) (choices, error) {
	out := choices{}
	var problems []error
	for _, s := range table {
		c, err := s.choose(flags, getenv)
		out[s.key] = c
		problems = append(problems, err)
	}
	problems = append(problems, out.readFile(getenv))
	return out, errors.Join(problems...)
}

func (s setting) choose(flags *pflag.FlagSet, getenv func(string) string) (choice, error) {
	c := choice{setting: s, value: s.def, origin: "default"}
	if s.flag != "" && flags.Changed(s.flag) {
		c.origin = "flag --" + s.flag
		flag := flags.Lookup(s.flag)
		c.value = flag.Value.String()
		if values, is := flag.Value.(pflag.SliceValue); is {
			c.value = strings.Join(values.GetSlice(), ",")
		}
		return c, nil
	}
	for _, name := range s.env {
		if value := getenv(name); value != "" {
			c.value, c.origin = value, "environment "+name
			return c, c.check(name)
		}
	}
	return c, nil
}

// check normalises a toggle; name is how the user called it.
func (c *choice) check(name string) error {
	if c.kind != toggle {
		return nil
	}
	on, err := strconv.ParseBool(c.value)
	if err != nil {
		return fmt.Errorf("%s is %q, which is neither true nor false", name, c.value)
	}
	c.value = strconv.FormatBool(on)
	return nil
}

// readFile fills in what the configuration file says of settings that have
// their default. Only a file that was named must exist.
func (all choices) readFile(getenv func(string) string) error {
	file, named := all["config"].value, true
	if file == "" {
		dir, err := resolveState(all["dataDir"].value, getenv)
		if err != nil {
			return nil // told by whoever needs the folder
		}
		file, named = dir.config(), false
	}
	data, err := os.ReadFile(file)
	if err != nil && !named && !errors.Is(err, fs.ErrPermission) {
		return nil // there is none; what is wrong with the folder is told by whoever needs it
	}
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	var said map[string]any
	if err := yaml.Unmarshal(data, &said); err != nil {
		return fmt.Errorf("configuration file %s: %w", file, err)
	}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(said)) {
		c, known := all[key]
		switch {
		case !known || key == "config" || key == "dataDir":
			problems = append(problems, fmt.Errorf("configuration file %s: there is no setting %q; see: pipeweave config show", file, key))
			continue
		case c.hidden:
			problems = append(problems, fmt.Errorf("configuration file %s: %s does not belong into a file that others read; name its own file with secretKeyFile", file, key))
			continue
		case c.origin != "default":
			continue
		}
		if c.value, err = fileValue(c.kind, said[key]); err == nil {
			err = c.check(key)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("configuration file %s: %s: %w", file, key, err))
			continue
		}
		c.origin = "file " + file
		all[key] = c
	}
	return errors.Join(problems...)
}

// fileValue is a value of the file as flags and environment spell it.
func fileValue(kind settingKind, value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errors.New("has no value")
	case string:
		return v, nil
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v), nil
	case []any:
		if kind != many {
			break
		}
		var words []string
		for _, item := range v {
			words = append(words, fmt.Sprint(item))
		}
		return strings.Join(words, ","), nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}
