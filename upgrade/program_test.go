package upgrade_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/upgrade"
)

// A program is started only while it is what was installed.
func TestProgram_changed(t *testing.T) {
	t.Parallel()
	data := tarGz(t, member{name: "pipedai-worker", body: script("1.0.0"), mode: 0o755}, member{name: "lib/part", body: []byte("part"), mode: 0o644})
	for name, change := range map[string]func(folder string) error{
		"the program": func(f string) error { return replace(filepath.Join(f, "pipedai-worker"), script("6.6.6"), 0o700) },
		"in place, with its old time": func(f string) error {
			path := filepath.Join(f, "pipedai-worker")
			info, err := os.Stat(path)
			if err == nil {
				err = os.Chmod(path, 0o700)
			}
			if err == nil {
				err = os.WriteFile(path, script("1.0.1"), 0o700)
			}
			return errors.Join(err, os.Chmod(path, 0o500), os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"another file":  func(f string) error { return replace(filepath.Join(f, "lib", "part"), []byte("trap"), 0o600) },
		"one more file": func(f string) error { return os.WriteFile(filepath.Join(f, "sitecustomize.py"), nil, 0o600) },
		"one less file": func(f string) error { return os.Remove(filepath.Join(f, "lib", "part")) },
		"a link": func(f string) error {
			return errors.Join(os.Remove(filepath.Join(f, "lib", "part")), os.Symlink("/etc/passwd", filepath.Join(f, "lib", "part")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t)
			h := newHost(t, p, nil)
			p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatTarGz, data), data)
			if _, err := h.install(t.Context(), h.want("")); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Program(t.Context(), api.ProgramWorker, "1.0.0"); err != nil {
				t.Fatal(err)
			}
			if err := change(filepath.Join(h.dir, "pipedai-worker", "1.0.0")); err != nil {
				t.Fatal(err)
			}
			_, err := h.Program(t.Context(), api.ProgramWorker, "1.0.0")
			wantCode(t, err, api.CodeProgramChanged)
			if want := "pipedai-orchestrator upgrade <worker> --version 1.0.0"; !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want the command %s", err, want)
			}
			// Installing it again heals it.
			if _, err := h.install(t.Context(), h.want("1.0.0")); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Program(t.Context(), api.ProgramWorker, "1.0.0"); err != nil {
				t.Error(err)
			}
			h.clean(t, "1.0.0")
		})
	}
	t.Run("not there", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, newPlane(t), nil)
		_, err := h.Program(t.Context(), api.ProgramWorker, "1.0.0")
		if wantCode(t, err, api.CodeNotFound); !errors.Is(err, upgrade.ErrNotInstalled) {
			t.Errorf("%v is not ErrNotInstalled", err)
		}
	})
}

func replace(path string, data []byte, mode fs.FileMode) error {
	temp := path + ".new"
	return errors.Join(os.WriteFile(temp, data, mode), os.Rename(temp, path))
}

func TestProbe(t *testing.T) {
	t.Parallel()
	h := newHost(t, newPlane(t), func(o *upgrade.Options) { o.ProbeLimit(500 * time.Millisecond) })
	for name, test := range map[string]struct{ text, want, problem string }{
		"bare":            {"echo 1.2.3", "1.2.3", ""},
		"with its name":   {"echo pipedai-worker v1.2.3-rc.1 '(abc, go1.26)'", "1.2.3-rc.1", ""},
		"crashes":         {"echo broken >&2; exit 3", "", "broken"},
		"hangs":           {"sleep 60 & sleep 60", "", "took too long"},
		"floods":          {"yes", "", "took too long"},
		"says nothing":    {"true", "", "did not say its version"},
		"says no version": {"echo latest", "", "did not say its version"},
		"no program":      {"", "", "exec format error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "program")
			text := "#!/bin/sh\n" + test.text + "\n"
			if name == "no program" {
				text = "not a program"
			}
			if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
			got, err := h.Probe(t.Context(), path)
			if got != test.want || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// Case T10: a program that is asked for its version gets what anybody's program
// has, and none of what was told to this one alone.
func TestProbe_T10_environment(t *testing.T) {
	for _, name := range []string{"PIPEDAI_OPERATOR_TOKEN", "PIPEDAI_CONNECT_TOKEN", "PIPEWEAVE_SECRET_KEY", "PIPEWEAVE_API_TOKEN", "NOTIFY_SOCKET"} {
		t.Setenv(name, "hush")
	}
	t.Setenv("LANG", "C.UTF-8")
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nenv >environment\necho 1.2.3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, newPlane(t), nil)
	if _, err := h.Probe(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "environment"))
	if err != nil || strings.Contains(string(got), "hush") || !strings.Contains(string(got), "LANG=C.UTF-8\n") || !strings.Contains(string(got), "PATH=") {
		t.Errorf("it has the environment\n%s%v", got, err)
	}
}
