package enroll

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseEnv(t *testing.T) {
	t.Parallel()
	env, err := ParseEnv([]byte("# a\n\nA=1\nexport B = two words \r\nC=\"x\\ny\"\nD='it is $D'\nE=\nF=a=b#c\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "1", "B": "two words", "C": "x\ny", "D": "it is $D", "E": "", "F": "a=b#c"}
	for name, value := range want {
		if got, ok := env[name]; !ok || got.Reveal() != value {
			t.Errorf("%s is %q, want %q", name, got.Reveal(), value)
		}
	}
	if len(env) != len(want) {
		t.Errorf("%d variables", len(env))
	}
	for _, bad := range []string{"A", "=x", `A="sesame`, `A='sesame`, `A="\q sesame"`} {
		if _, err := ParseEnv([]byte("OK=1\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestWorkerEnv_changes(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "box.json")
	if env, err := ReadWorkerEnv(config); err != nil || env != nil {
		t.Errorf("%v %v", env, err)
	}
	one, odd := "1", "a \"b\"\n#c\x01é"
	if err := ChangeWorkerEnv(config, map[string]*string{"A": &one, "B": &odd}); err != nil {
		t.Fatal(err)
	}
	if err := ChangeWorkerEnv(config, map[string]*string{"A": nil}); err != nil {
		t.Fatal(err)
	}
	env, err := ReadWorkerEnv(config)
	if err != nil || len(env) != 1 || env["B"].Reveal() != odd {
		t.Errorf("%v %v", env, err)
	}
	if info, err := os.Stat(WorkerEnvFile(config)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := os.WriteFile(WorkerEnvFile(config), []byte("what is this"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ChangeWorkerEnv(config, map[string]*string{"A": &one}); err == nil {
		t.Error("a file that cannot be read was replaced")
	}
}
