package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/internal/cliutil"
)

// TestServeConfig: flag before environment before default, and every problem
// at once.
func TestServeConfig(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	resolve := func(env map[string]string, args ...string) (serveConfig, int, string) {
		var got serveConfig
		s := &shell{t: t, env: map[string]string{"PIPEWEAVE_HOME": home}}
		for name, value := range env {
			s.env[name] = value
		}
		var errs bytes.Buffer
		d := s.deps("", io.Discard, &errs)
		cmd := newServeCmdFunc(d, func(_ context.Context, _ *deps, c serveConfig) error { got = c; return nil })
		code := cliutil.Run(t.Context(), cmd, d.Streams, args)
		return got, code, errs.String()
	}
	check := func(name string, env map[string]string, args []string, want func(serveConfig) bool) {
		t.Helper()
		if got, code, errs := resolve(env, args...); code != 0 || !want(got) {
			t.Errorf("%s: got %d %s %+v", name, code, errs, got)
		}
	}
	check("defaults", nil, nil, func(c serveConfig) bool {
		return c.host == "127.0.0.1" && c.port == 3000 && c.mode == "standalone" && c.maxConcurrency == 10 &&
			c.pollInterval == time.Second && c.state.dir == home && !c.requireToken && c.defaultBackend == "local" && c.secret == ""
	})
	check("environment", map[string]string{
		"PORT": "4000", "MODE": "serverless", "MAX_CONCURRENCY": "3", "POLL_INTERVAL_MS": "250", "DATABASE_URL": "postgres://h/db",
		"PIPEWEAVE_SECRET_KEY": strings.Repeat("a", 64), "AUTO_MIGRATE": "true", "LOG_LEVEL": "debug",
	}, nil, func(c serveConfig) bool {
		return c.port == 4000 && c.mode == "serverless" && c.maxConcurrency == 3 && c.pollInterval == 250*time.Millisecond &&
			c.databaseURL == "postgres://h/db" && c.autoMigrate && c.logLevel == "normal" && len(c.warnings) == 2
	})
	check("flags win", map[string]string{"PORT": "4000", "MODE": "serverless"}, []string{"--addr", "127.0.0.1:5", "--mode", "standalone"}, func(c serveConfig) bool {
		return c.port == 5 && c.mode == "standalone"
	})
	check("public", nil, []string{"--addr", "0.0.0.0:80", "--require-token", "--public-url", "https://Hub.test/", "--allow-host", "HUB:80"}, func(c serveConfig) bool {
		names := c.names(80)
		return cmp.Equal(names, []string{"127.0.0.1:80", "localhost:80", "[::1]:80", "hub.test", "hub:80"}) &&
			strings.Contains(strings.Join(c.origins(names), " "), "https://hub.test")
	})
	check("where services are", map[string]string{"PIPEWEAVE_REWRITE_LOOPBACK": "true"}, []string{"--service-url", "pdf=http://10.0.0.7:80/x"}, func(c serveConfig) bool {
		return c.baseURLs.Loopback && c.baseURLs.Services["pdf"] == "http://10.0.0.7:80/x"
	})
	check("where services may be", map[string]string{"PIPEWEAVE_WORKER_NETWORKS": "10.1.2.3/8,fd12::/64,::ffff:127.0.0.1"}, nil, func(c serveConfig) bool {
		return fmt.Sprint(c.networks) == "[10.0.0.0/8 fd12::/64 127.0.0.1/32]"
	})
	check("flagged backend", map[string]string{"STORAGE_BACKENDS": `[{"id":"a","provider":"local","bucket":"x","credentials":{"basePath":"/srv/objects"}},{"id":"b","provider":"local","bucket":"x","credentials":{"basePath":"/srv/objects"},"isDefault":true}]`}, nil, func(c serveConfig) bool {
		return c.defaultBackend == "b" && c.backends[0].ID == "a"
	})

	parent, link := filepath.Dir(home), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(home, link); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{home, parent, link, "/"} {
		backends := fmt.Sprintf(`[{"id":"a","provider":"local","bucket":"x","credentials":{"basePath":%q}}]`, base)
		if _, code, errs := resolve(nil, "--storage-backends", backends); code != cliutil.ExitUsage || !strings.Contains(errs, "which is the server's own") {
			t.Errorf("storage in %s, which holds the secrets: got %d %s", base, code, errs)
		}
	}

	for want, args := range map[string][]string{
		"no sign-in is required":                     {"--addr", "0.0.0.0:80"},
		"is not host:port":                           {"--addr", "nonsense"},
		"is not standalone or serverless":            {"--mode", "both"},
		`max concurrency "0"`:                        {"--max-concurrency", "0"},
		"poll interval":                              {"--poll-interval", "soon"},
		`worker network "10.0.0.0/33"`:               {"--worker-network", "10.0.0.0/33"},
		"public URL":                                 {"--public-url", "hub"},
		"Default storage backend 'none' not found":   {"--default-storage-backend", "none"},
		"not a JSON array":                           {"--storage-backends", "{}"},
		"secret key: read secret":                    {"--secret-key-file", "/does/not/exist"},
		"unknown flag: --colour":                     {"--colour"},
		"At least one storage backend must be confi": {"--storage-backends", "[]"},
	} {
		if _, code, errs := resolve(nil, args...); code != cliutil.ExitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: got %d %s, want %q", args, code, errs, want)
		}
	}
	_, _, errs := resolve(nil, "--mode", "both", "--max-concurrency", "x")
	if !strings.Contains(errs, "both") || !strings.Contains(errs, "max concurrency") {
		t.Errorf("only one problem was told: %s", errs)
	}
}
