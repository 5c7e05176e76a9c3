package upgrade_test

import (
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/manifest"
	"pipedai/upgrade"
)

// registry serves packages made for a test, on loopback.
type registry struct {
	*httptest.Server
	mu       sync.Mutex
	packages map[string]map[string][]byte // by name and version
	lie      bool                         // it sends other bytes than it says
	hang     bool
}

func newRegistry(t testing.TB) *registry {
	t.Helper()
	for _, name := range []string{"npm", "node"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("these tests install packages: %v; install Node.js", err)
		}
	}
	r := &registry{packages: map[string]map[string][]byte{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

func (r *registry) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	lie, hang := r.lie, r.hang
	r.mu.Unlock()
	if hang {
		<-req.Context().Done()
		return
	}
	path, _ := url.PathUnescape(strings.TrimPrefix(req.URL.EscapedPath(), "/"))
	name, file, isFile := strings.Cut(path, "/-/")
	r.mu.Lock()
	versions := r.packages[name]
	r.mu.Unlock()
	if versions == nil {
		w.WriteHeader(http.StatusNotFound)
		answer(w, map[string]string{"error": "not found"})
		return
	}
	if isFile {
		data := versions[strings.TrimSuffix(file, ".tgz")]
		if lie {
			data = append([]byte(nil), data...)
			data[len(data)-9] ^= 1
		}
		_, _ = w.Write(data)
		return
	}
	document := map[string]any{"name": name}
	all, latest := map[string]any{}, ""
	for version, data := range versions {
		sum := sha512.Sum512(data)
		all[version] = map[string]any{"name": name, "version": version, "hasInstallScript": true, "bin": map[string]string{"pipedai-worker": "cli.js"},
			"dist": map[string]string{"tarball": r.URL + "/" + name + "/-/" + version + ".tgz", "integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:])}}
		latest = max(latest, version)
	}
	document["versions"], document["dist-tags"] = all, map[string]string{"latest": latest}
	answer(w, document)
}

// nodeFiles are the files of a package whose program says its version, and
// whose scripts leave a trace when they are run.
func nodeFiles(name, version, trace string) map[string]string {
	return map[string]string{
		"package.json": fmt.Sprintf(`{"name":%q,"version":%q,"bin":{"pipedai-worker":"cli.js"},
			"scripts":{"preinstall":"touch %[3]s","install":"touch %[3]s","postinstall":"touch %[3]s","prepack":"touch %[3]s","prepare":"touch %[3]s"}}`, name, version, trace),
		"cli.js": "#!/usr/bin/env node\nconsole.log(process.argv[2] === 'version' ? '" + version + "' : process.argv.slice(2).join(' '))\n",
	}
}

func (r *registry) publish(t testing.TB, name, version, trace string) {
	t.Helper()
	var members []member
	for file, text := range nodeFiles(name, version, trace) {
		members = append(members, member{name: "package/" + file, body: []byte(text), mode: 0o644})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.packages[name] == nil {
		r.packages[name] = map[string][]byte{}
	}
	r.packages[name][version] = tarGz(t, members...)
}

func (r *registry) host(t testing.TB, tune func(*upgrade.Options)) *host {
	home := t.TempDir()
	return newHost(t, newPlane(t), func(o *upgrade.Options) {
		// Neither the settings nor the cache of whoever runs the test.
		o.NPM = upgrade.NPM{Registry: r.URL, Limit: time.Minute, Env: []string{"HOME=" + home, "npm_config_userconfig=" + filepath.Join(home, "npmrc"), "npm_config_fetch_retries=0"}}
		if tune != nil {
			tune(o)
		}
	})
}

func package1(version string) upgrade.Wanted {
	return upgrade.Wanted{Program: api.ProgramWorker, NPM: true, Version: version}
}

func TestNPM(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	trace := filepath.Join(t.TempDir(), "trace")
	r.publish(t, "@pipedai/worker", "1.4.0", trace)
	r.publish(t, "@pipedai/worker", "1.5.0", trace)
	h := r.host(t, nil)

	v, err := h.install(t.Context(), package1("1.4.0"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Kind != manifest.InstallNPM || v.Version != "1.4.0" || v.Reports != "1.4.0" || v.Source != "@pipedai/worker" {
		t.Errorf("%+v", v)
	}
	path, err := h.Program(t.Context(), api.ProgramWorker, "1.4.0")
	if err != nil {
		t.Fatal(err)
	}
	if says, err := h.Probe(t.Context(), path); err != nil || says != "1.4.0" {
		t.Errorf("it says %q, %v", says, err)
	}
	if out, err := exec.CommandContext(t.Context(), path, "run", "--config", "a b").Output(); err != nil || string(out) != "run --config a b\n" {
		t.Errorf("it got %q, %v", out, err)
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("a script of the package was run")
	}
	h.clean(t, "1.4.0")

	found, err := h.Find(t.Context(), package1("")) // the newest
	if err != nil || found.Version != "1.5.0" {
		t.Fatalf("%+v, %v", found, err)
	}
	if _, err := h.Fetch(t.Context(), found, nil); err != nil {
		t.Fatal(err)
	}
	h.clean(t, "1.4.0", "1.5.0")
	lower := package1("1.4.0")
	lower.Running, lower.Remote = "1.5.0", true
	_, err = h.Find(t.Context(), lower)
	wantCode(t, err, api.CodeDowngrade)

	t.Run("a file of the package is another one", func(t *testing.T) {
		script := filepath.Join(h.dir, "pipedai-worker", "1.5.0", "node_modules", "@pipedai", "worker", "cli.js")
		if err := replace(script, []byte("evil"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := h.Program(t.Context(), api.ProgramWorker, "1.5.0")
		wantCode(t, err, api.CodeProgramChanged)
	})
}

func TestNPM_scriptsWhenAllowed(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	trace := filepath.Join(t.TempDir(), "trace")
	r.publish(t, "@pipedai/worker", "1.4.0", trace)
	h := r.host(t, func(o *upgrade.Options) {
		o.NPM.AllowScripts = true
		o.NPM.Env = append(o.NPM.Env, "npm_config_foreground_scripts=true", "npm_config_dangerously_allow_all_scripts=true")
	})
	if _, err := h.install(t.Context(), package1("1.4.0")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(trace); err != nil {
		t.Error("the scripts of the package were not run")
	}
}

func TestNPM_fails(t *testing.T) {
	t.Parallel()
	t.Run("names that are no packages", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"./worker", "/opt/worker", "../worker", "a/b", "git+https://x/y", "https://x/y.tgz", "x@npm:y", "--global", "~/x", "@a/../b", "A", "", "file:x"} {
			wantCode(t, upgrade.CheckPackage(name), api.CodeInvalid)
			h := newHost(t, newPlane(t), func(o *upgrade.Options) { o.NPM.Packages = map[string]string{api.ProgramWorker: name} })
			_, err := h.Find(t.Context(), package1("1.0.0"))
			wantCode(t, err, api.CodeInvalid)
		}
	})
	t.Run("no such version", func(t *testing.T) {
		t.Parallel()
		r := newRegistry(t)
		r.publish(t, "@pipedai/worker", "1.4.0", "/dev/null")
		h := r.host(t, nil)
		_, err := h.install(t.Context(), package1("9.9.9"))
		wantCode(t, err, api.CodeInstaller)
		h.clean(t)
	})
	t.Run("other bytes than the registry says", func(t *testing.T) {
		t.Parallel()
		r := newRegistry(t)
		r.publish(t, "@pipedai/worker", "1.4.0", "/dev/null")
		r.lie = true
		h := r.host(t, nil)
		_, err := h.install(t.Context(), package1("1.4.0"))
		if e := wantCode(t, err, api.CodeInstaller); !strings.Contains(e.Message, "EINTEGRITY") {
			t.Errorf("got %v", err)
		}
		h.clean(t)
	})
	t.Run("a registry that does not answer", func(t *testing.T) {
		t.Parallel()
		r := newRegistry(t)
		r.hang = true
		h := r.host(t, func(o *upgrade.Options) { o.NPM.Limit = 3 * time.Second })
		_, err := h.install(t.Context(), package1("1.4.0"))
		wantCode(t, err, api.CodeTimeout)
		h.clean(t)
	})
}

// Without Node.js the answer says what to install.
func TestNPM_noNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	h := newHost(t, newPlane(t), nil)
	_, err := h.Find(t.Context(), package1("1.4.0"))
	if e := wantCode(t, err, api.CodeInstaller); !strings.Contains(e.Fix, "install Node.js") {
		t.Errorf("got %v", err)
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, path string, data []byte) string {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o700)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := newRegistry(t)
	trace := filepath.Join(t.TempDir(), "trace")
	for name, make := range map[string]func(t *testing.T, dir string) string{
		"a program": func(t *testing.T, dir string) string {
			return write(t, filepath.Join(dir, "my-build"), script("1.2.0-dev"))
		},
		"a folder with it": func(t *testing.T, dir string) string {
			return filepath.Dir(write(t, filepath.Join(dir, "pipedai-worker"), script("1.2.0-dev")))
		},
		"a folder with bin": func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "bin", "pipedai-worker"), script("1.2.0-dev"))
			return dir
		},
		"an archive": func(t *testing.T, dir string) string {
			return write(t, filepath.Join(dir, "w.tar.gz"), tarGz(t, member{name: "w/pipedai-worker", body: script("1.2.0-dev"), mode: 0o755}))
		},
		"an archive named tgz": func(t *testing.T, dir string) string {
			return write(t, filepath.Join(dir, "w.tgz"), tarGz(t, member{name: "w/pipedai-worker", body: script("1.2.0-dev"), mode: 0o755}))
		},
		"a zip": func(t *testing.T, dir string) string {
			return write(t, filepath.Join(dir, "w.zip"), zipped(t, member{name: "pipedai-worker", body: script("1.2.0-dev"), mode: 0o755}))
		},
		"a package": func(t *testing.T, dir string) string {
			for file, text := range nodeFiles("@pipedai/worker", "1.2.0-dev", trace) {
				write(t, filepath.Join(dir, file), []byte(text))
			}
			return dir
		},
		"a packed package": func(t *testing.T, dir string) string {
			var all []member
			for file, text := range nodeFiles("@pipedai/worker", "1.2.0-dev", trace) {
				all = append(all, member{name: "package/" + file, body: []byte(text), mode: 0o644})
			}
			return write(t, filepath.Join(dir, "w.tgz"), tarGz(t, all...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := r.host(t, nil)
			from := make(t, filepath.Join(t.TempDir(), "from"))
			w := upgrade.Wanted{Program: api.ProgramWorker, Local: from}
			v, err := h.install(t.Context(), w)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(v.Version, "1.2.0-dev+local.") || v.Reports != "1.2.0-dev" || v.Kind != manifest.InstallLocal || v.Source != from {
				t.Errorf("%+v", v)
			}
			if err := os.RemoveAll(from); err != nil { // it is a copy
				t.Fatal(err)
			}
			path, err := h.Program(t.Context(), api.ProgramWorker, v.Version)
			if err != nil {
				t.Fatal(err)
			}
			if says, err := h.Probe(t.Context(), path); err != nil || says != "1.2.0-dev" {
				t.Errorf("it says %q, %v", says, err)
			}
			h.clean(t, v.Version)
		})
	}
	t.Run("the same twice is one version, another build another", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, newPlane(t), nil)
		path := filepath.Join(t.TempDir(), "worker")
		w := upgrade.Wanted{Program: api.ProgramWorker, Local: path}
		var versions []string
		for _, build := range []string{"a", "a", "b"} {
			v, err := h.install(t.Context(), func() upgrade.Wanted { write(t, path, append(script("1.2.0"), "# "+build...)); return w }())
			if err != nil {
				t.Fatal(err)
			}
			versions = append(versions, v.Version)
		}
		if versions[0] != versions[1] || versions[1] == versions[2] {
			t.Errorf("got %q", versions)
		}
	})
	t.Run("what does not say its version", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, newPlane(t), nil)
		_, err := h.install(t.Context(), upgrade.Wanted{Program: api.ProgramWorker, Local: write(t, filepath.Join(t.TempDir(), "w"), []byte("#!/bin/sh\nexit 1\n"))})
		wantCode(t, err, api.CodeInstaller)
		h.clean(t)
	})
	t.Run("what everybody may change", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, newPlane(t), nil)
		path := write(t, filepath.Join(t.TempDir(), "w"), script("1.2.0"))
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
		_, err := h.install(t.Context(), upgrade.Wanted{Program: api.ProgramWorker, Local: path})
		wantCode(t, err, api.CodeInvalid)
	})
	t.Run("an older one", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, newPlane(t), nil)
		w := upgrade.Wanted{Program: api.ProgramWorker, Running: "1.3.0", Local: write(t, filepath.Join(t.TempDir(), "w"), script("1.2.0"))}
		_, err := h.install(t.Context(), w)
		wantCode(t, err, api.CodeDowngrade)
		h.clean(t)
		w.AllowDowngrade = true
		if _, err := h.install(t.Context(), w); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if _, err := os.Stat(trace); err == nil {
			t.Error("a script of a package was run")
		}
	})
}
