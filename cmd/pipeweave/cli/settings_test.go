package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pipedai/internal/cliutil"
)

// configShow runs `config show` in a state folder and returns the views.
func configShow(t *testing.T, home string, env map[string]string, args ...string) (map[string]settingView, string) {
	t.Helper()
	s := &shell{t: t, env: map[string]string{"PIPEWEAVE_HOME": home}}
	for name, value := range env {
		s.env[name] = value
	}
	var out, errs bytes.Buffer
	d := s.deps("", &out, &errs)
	if code := cliutil.Run(t.Context(), newRootCmd(d), d.Streams, append([]string{"config", "show", "--json"}, args...)); code != 0 {
		return nil, errs.String()
	}
	var views []settingView
	if err := json.Unmarshal(out.Bytes(), &views); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, out.String())
	}
	byKey := map[string]settingView{}
	for _, v := range views {
		byKey[v.Key] = v
	}
	return byKey, errs.String()
}

// TestConfigShow_C10: flag before environment before file before default, and
// the command proves which one won.
func TestConfigShow_C10(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	file := filepath.Join(home, "config.yaml")
	const content = "maxConcurrency: 7\npollInterval: 300\nmode: serverless\nallowHosts: [a.test:80, b.test:80]\n" +
		"storageBackends:\n- {id: x, provider: local, endpoint: 'file://', bucket: b, credentials: {basePath: /srv/x, key: hush}}\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got, _ := configShow(t, home, map[string]string{
		"POLL_INTERVAL_MS": "200", "MODE": "standalone", "DATABASE_URL": "postgres://u:hush@h/db", "PIPEWEAVE_SECRET_KEY": "hush",
	}, "--mode", "serverless")
	for key, want := range map[string]struct{ value, origin string }{
		"maxConcurrency": {"7", "file " + file},
		"pollInterval":   {"200", "environment POLL_INTERVAL_MS"},
		"mode":           {"serverless", "flag --mode"},
		"allowHosts":     {"a.test:80,b.test:80", "file " + file},
		"logLevel":       {"normal", "default"},
		"databaseUrl":    {"postgres://u:***@h/db", "environment DATABASE_URL"},
		"secretKey":      {"***", "environment PIPEWEAVE_SECRET_KEY"},
		"addr":           {"127.0.0.1:3000", "default"},
	} {
		if v := got[key]; v.Value != want.value || v.Origin != want.origin {
			t.Errorf("%s: got %q from %q, want %q from %q", key, v.Value, v.Origin, want.value, want.origin)
		}
	}
	all, _ := json.Marshal(got)
	if strings.Contains(string(all), "hush") {
		t.Errorf("a secret is shown: %s", all)
	}
}

func TestConfigShow_refuses(t *testing.T) {
	t.Parallel()
	for want, content := range map[string]string{
		`there is no setting "maxConcurency"`: "maxConcurency: 7\n",
		"neither true nor false":              "requireToken: perhaps\n",
		"secretKeyFile":                       "secretKey: abc\n",
		"has no value":                        "mode:\n",
	} {
		home := t.TempDir()
		if err := os.WriteFile(filepath.Join(home, "config.yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, errs := configShow(t, home, nil); got != nil || !strings.Contains(errs, want) {
			t.Errorf("%q: got %q, want %q", content, errs, want)
		}
	}
	if got, errs := configShow(t, t.TempDir(), nil, "--config", "/does/not/exist.yaml"); got != nil || !strings.Contains(errs, "exist.yaml") {
		t.Errorf("a missing file that was named: %q", errs)
	}
	if _, errs := configShow(t, t.TempDir(), map[string]string{"PIPEWEAVE_REQUIRE_TOKEN": "ja"}); !strings.Contains(errs, "PIPEWEAVE_REQUIRE_TOKEN") {
		t.Errorf("a toggle that is neither: %q", errs)
	}
}

// TestDatabaseFromEnv: the pieces make one address, escaped (defect 49), with
// certificates checked unless somebody says otherwise (defect 104).
func TestDatabaseFromEnv(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  map[string]string
		want string
		err  string
	}{
		{map[string]string{}, "", ""},
		{map[string]string{"DB_HOST": "h", "DB_NAME": "n", "DB_USER": "u"}, "postgres://u@h:5432/n", ""},
		{map[string]string{"DB_HOST": "h", "DB_PORT": "6", "DB_DATABASE": "n", "DB_USERNAME": "u", "DB_PASSWORD": "a@#%/b", "DB_SSL": "true"},
			"postgres://u:a%40%23%25%2Fb@h:6/n?sslmode=verify-full", ""},
		{map[string]string{"DB_HOST": "/cloudsql/x", "DB_NAME": "n", "DB_USER": "u", "DB_SSL": "no-verify"},
			"postgres://u@/n?host=%2Fcloudsql%2Fx&port=5432&sslmode=require", ""},
		{map[string]string{"DB_HOST": "h"}, "", "belong together"},
		{map[string]string{"DB_HOST": "h", "DB_NAME": "n", "DB_USER": "u", "DB_PORT": "x"}, "", "port"},
		{map[string]string{"DB_HOST": "h", "DB_NAME": "n", "DB_USER": "u", "DB_SSL": "maybe"}, "", "DB_SSL"},
	} {
		got, _, err := databaseFromEnv(func(name string) string { return c.env[name] })
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v: got %q, %v; want %q, %s", c.env, got, err, c.want, c.err)
		}
	}
}

func TestCleanDatabaseURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"postgres://u@h/d": {"postgres://u@h/d", ""},
		"postgres://u@h/d?ssl=true&max=5&idle_timeout=3":        {"postgres://u@h/d?sslmode=verify-full", "5"},
		"postgres://u@h/d?sslmode=disable&connection_timeout=9": {"postgres://u@h/d?connect_timeout=9&sslmode=disable", ""},
		"sqlite:/a?b": {"sqlite:/a?b", ""},
	} {
		got, pool, err := cleanDatabaseURL(in)
		if got != want[0] || pool != want[1] || err != nil {
			t.Errorf("%s: got %q %q %v", in, got, pool, err)
		}
	}
	if _, _, err := cleanDatabaseURL("postgres://u:p%zz@h/d"); err == nil || strings.Contains(err.Error(), "p%zz") {
		t.Errorf("a malformed URL: %v", err)
	}
}

// TestUnproven: TLS that nobody checks, or none, is worth a word where a network
// is in between.
func TestUnproven(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://u@db/d":                     "db",
		"postgresql://u@10.0.0.1:5432/d":        "10.0.0.1",
		"postgres://u@db/d?sslmode=require":     "db",
		"postgres://u@db/d?sslmode=disable":     "db",
		"postgres://u@db/d?sslmode=verify-full": "",
		"postgres://u@db/d?sslmode=verify-ca":   "",
		"postgres://u@localhost/d":              "",
		"postgres://u@[::1]:5432/d":             "",
		"postgres://u@/d?host=%2Fcloudsql%2Fx":  "",
		"sqlite:/x":                             "",
		"":                                      "",
	} {
		if got := unproven(address); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}
