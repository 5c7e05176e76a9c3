package daemon

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/manifest"
)

func ref[T any](v T) *T { return &v }

// What is not named stays, 0 brings the default back, and a variable is in one
// place only.
func TestSettings_changed(t *testing.T) {
	t.Parallel()
	s := changed(manifest.Settings{Dir: "/srv", Env: map[string]string{"A": "1", "B": "2", "C": "3"}, Limits: manifest.Limits{CPU: 2, PIDs: 9}},
		api.WorkerSettingsChange{
			Env: map[string]*string{"A": nil, "D": ref("4")}, SecretEnv: map[string]*string{"B": ref("s")}, StopGraceMs: ref(int64(1500)),
			Restart: &api.WorkerRestartsChange{BackoffMs: &[]int64{0, 2000}, Budget: ref(-1)},
			Limits:  &api.WorkerLimitsChange{PIDs: ref(int64(0)), MemoryBytes: ref(int64(8 << 20))},
		})
	if s.Dir != "/srv" || len(s.Env) != 2 || s.Env["C"] != "3" || s.Env["D"] != "4" || s.StopGrace.String() != "1.5s" {
		t.Errorf("%+v", s)
	}
	if s.Limits != (manifest.Limits{CPU: 2, MemoryBytes: 8 << 20}) || s.Restart.Budget != -1 || len(s.Restart.Backoff) != 2 {
		t.Errorf("%+v", s)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if s := changed(s, api.WorkerSettingsChange{StopGraceMs: ref(int64(1) << 62)}); s.Validate() == nil {
		t.Error("a duration that overflows is taken")
	}
}

// A worker is given what its entry says, values of secrets are in no answer and
// not in the manifest, and the daemon's own secrets reach no worker.
func TestSettings_P22_reachOnlyThatWorker(t *testing.T) {
	t.Parallel()
	h, e := settingsHost(t)
	ctx := t.Context()
	const hush = "hush-hush-hush-value"
	detail, err := h.ChangeWorker(ctx, e.ID, api.WorkerSettingsChange{
		Env: map[string]*string{"MODEL": ref("small")}, SecretEnv: map[string]*string{"API_KEY": ref(hush)},
		Dir: ref("/"), StopGraceMs: ref(int64(90_000)), Limits: &api.WorkerLimitsChange{NoFile: ref(int64(256))},
		Restart: &api.WorkerRestartsChange{Budget: ref(3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := detail.Settings; len(got.Env) != 2 || got.Env[0] != (api.WorkerEnv{Name: "API_KEY", Secret: true}) ||
		got.Env[1] != (api.WorkerEnv{Name: "MODEL"}) || got.StopGraceMs != 90_000 || got.Dir != "/" || got.Limits.NoFile != 256 || got.Restart.Budget != 3 {
		t.Errorf("%+v", got)
	}
	e, err = h.manifest.Entry(ctx, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(h.spec(e).Env, "\n") + "\n"
	for _, want := range []string{"\nMODEL=small\n", "\nAPI_KEY=" + hush + "\n", "\nPIPEDAI_LOCAL_RUN_EVENTS=1\n", "\nNOTIFY_SOCKET\n"} {
		if !strings.Contains(env, want) {
			t.Errorf("the environment lacks %q:\n%s", want, env)
		}
	}
	if !strings.HasPrefix(env, "PIPEDAI_OPERATOR_TOKEN\nPIPEDAI_CONNECT_TOKEN\nPIPEWEAVE_API_TOKEN\n") {
		t.Errorf("tokens are not taken out:\n%s", env)
	}
	if h.hidden("").Text("it is "+hush+" there") != "it is *** there" {
		t.Error("the secret value is not taken out of output")
	}
	info, err := os.Stat(enroll.WorkerEnvFile(e.ConfigPath))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file of secrets: %v %v", info, err)
	}
	for _, name := range []string{h.o.Dir.Manifest(), h.o.Dir.Manifest() + "-wal"} {
		if data, err := os.ReadFile(name); err == nil && strings.Contains(string(data), hush) {
			t.Errorf("%s holds the secret", name)
		}
	}

	// Another worker gets none of it.
	other := e
	other.ID, other.ConfigPath, other.Settings = "w2", e.ConfigPath+"2.json", manifest.Settings{}
	if env := strings.Join(h.spec(other).Env, "\n"); strings.Contains(env, hush) || strings.Contains(env, "MODEL") {
		t.Errorf("another worker has it:\n%s", env)
	}

	if _, err := h.ChangeWorker(ctx, e.ID, api.WorkerSettingsChange{SecretEnv: map[string]*string{"API_KEY": nil}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(enroll.WorkerEnvFile(e.ConfigPath)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file stays without a variable: %v", err)
	}
}

func TestSettings_refused(t *testing.T) {
	t.Parallel()
	h, e := settingsHost(t)
	const hush = "do-not-repeat-me"
	for name, change := range map[string]api.WorkerSettingsChange{
		"limits.memoryBytes":   {Limits: &api.WorkerLimitsChange{MemoryBytes: ref(int64(1))}},
		"limits.cpu":           {Limits: &api.WorkerLimitsChange{CPU: ref(-1.0)}},
		"limits.pids":          {Limits: &api.WorkerLimitsChange{PIDs: ref(int64(1))}},
		"limits.nofile":        {Limits: &api.WorkerLimitsChange{NoFile: ref(int64(-3))}},
		"dir":                  {Dir: ref("relative")},
		"authMode":             {AuthMode: ref("root")},
		"stopGraceMs":          {StopGraceMs: ref(int64(-1))},
		"restart.backoffMs":    {Restart: &api.WorkerRestartsChange{BackoffMs: &[]int64{-1}}},
		"restart.budget":       {Restart: &api.WorkerRestartsChange{Budget: ref(-2)}},
		"restart.finalCodes":   {Restart: &api.WorkerRestartsChange{FinalCodes: &[]int{-1}}},
		"env":                  {Env: map[string]*string{"A B": ref(hush)}},
		"secretEnv":            {SecretEnv: map[string]*string{"KEY": ref(hush + "\x00")}},
		"PIPEDAI_HOME is set":  {Env: map[string]*string{"PIPEDAI_HOME": ref(hush)}},
		"pipedai_home is set ": {SecretEnv: map[string]*string{"pipedai_home": ref(hush)}},
	} {
		_, err := h.ChangeWorker(t.Context(), e.ID, change)
		var answer *api.Error
		if !errors.As(err, &answer) || answer.Status != http.StatusUnprocessableEntity || !strings.Contains(answer.Message, name) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), hush) {
			t.Errorf("%s: the value is repeated: %v", name, err)
		}
	}
	if now, err := h.manifest.Entry(t.Context(), e.ID); err != nil || now.Settings.Limits != (manifest.Limits{}) || len(now.Settings.Env) > 0 {
		t.Errorf("changed: %+v %v", now.Settings, err)
	}
	if _, err := h.ChangeWorker(t.Context(), "nobody", api.WorkerSettingsChange{}); err == nil {
		t.Error("an unknown worker is changed")
	}
}

// settingsHost is a host with one worker, of which nothing runs.
func settingsHost(t *testing.T) (*host, manifest.Entry) {
	t.Helper()
	dir := newHome(t, "http://127.0.0.1:9", "w1")
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	o := testOptions(dir)
	o.defaults()
	h := newHost(o, m)
	e, err := m.Entry(t.Context(), "w1")
	if err != nil {
		t.Fatal(err)
	}
	return h, e
}
