package upgrade_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/manifest"
	"pipedai/upgrade"
)

func TestMain(m *testing.M) {
	if os.Getenv("UPGRADE_TEST_INSTALL") != "" {
		os.Exit(installAndDie())
	}
	if dir := os.Getenv("UPGRADE_TEST_ATTACK"); dir != "" {
		os.Exit(attack(dir))
	}
	goleak.VerifyTestMain(m)
}

// plane is a control plane that publishes releases, and lies when it is told to.
type plane struct {
	*httptest.Server
	key release.PrivateKey

	mu       sync.Mutex
	history  api.ReleaseKeys
	releases map[string]api.PublishedRelease // by program, version or "latest", and channel
	files    map[string][]byte
	send     func(w http.ResponseWriter, r *http.Request, data []byte) // instead of the whole file
	asked    []string
}

func newPlane(t testing.TB) *plane {
	t.Helper()
	p := &plane{key: release.NewKey(), releases: map[string]api.PublishedRelease{}, files: map[string][]byte{}}
	p.history.First = p.key.Public().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/release-keys", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		answer(w, p.history)
	})
	mux.HandleFunc("GET /api/v1/releases/{program}/{version}", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		found, ok := p.releases[r.PathValue("program")+" "+r.PathValue("version")+" "+r.URL.Query().Get("channel")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer(w, &api.Error{Message: "there is no such release", Code: api.CodeNotFound})
			return
		}
		answer(w, found)
	})
	mux.HandleFunc("GET /api/v1/releases/{program}/{version}/artifacts/{name}", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.URL.Path)
		data, ok := p.files[r.PathValue("name")]
		send := p.send
		p.mu.Unlock()
		switch {
		case send != nil:
			send(w, r, data)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			answer(w, &api.Error{Message: "there is no such file", Code: api.CodeNotFound})
		default:
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// made is the manifest of a release with one file for this system.
func made(program, version string, sequence int64, format string, data []byte) api.ReleaseManifest {
	sum := sha256.Sum256(data)
	return api.ReleaseManifest{
		Program: program, Version: version, Channel: "stable", Sequence: sequence,
		CreatedAt: api.At(time.Now().Add(-time.Minute)), ExpiresAt: api.At(time.Now().Add(time.Hour)),
		Artifacts: []api.Artifact{{OS: runtime.GOOS, Arch: runtime.GOARCH, Name: program + "-" + version + "." + format, Size: int64(len(data)),
			SHA256: hex.EncodeToString(sum[:]), Format: format}},
	}
}

// publish signs a release with the key of the plane and hands it out, as the
// newest too.
func (p *plane) publish(t testing.TB, m api.ReleaseManifest, data []byte) {
	t.Helper()
	e, err := release.Sign(m, p.key)
	if err != nil {
		t.Fatal(err)
	}
	p.offer(m.Program, m.Version, m.Channel, e)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range m.Artifacts {
		p.files[a.Name] = data
	}
}

// offer hands out an envelope, whatever is in it.
func (p *plane) offer(program, version, channel string, e api.Envelope) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range []string{version, api.LatestVersion} {
		p.releases[program+" "+v+" "+channel] = api.PublishedRelease{Program: program, Version: version, Channel: channel, Envelope: &e}
	}
}

func (p *plane) lie(send func(w http.ResponseWriter, r *http.Request, data []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send = send
}

func (p *plane) downloads() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

// host is one that installs.
type host struct {
	*upgrade.Upgrader
	records *manifest.Manifest
	dir     string
	plane   *plane
	trust   []upgrade.TrustChange
}

// newHost returns a host; tune changes its options.
func newHost(t testing.TB, p *plane, tune func(*upgrade.Options)) *host {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	records, err := manifest.Open(t.Context(), filepath.Join(home, "manifest.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	h := &host{records: records, dir: filepath.Join(home, "versions"), plane: p}
	o := upgrade.Options{
		Dir: h.dir, Records: records,
		Dial:    func(url string) (upgrade.Source, error) { return upgrade.NewSource(url, "", "test"), nil },
		OnTrust: func(c upgrade.TrustChange) { h.trust = append(h.trust, c) },
	}
	if tune != nil {
		tune(&o)
	}
	h.Upgrader = upgrade.New(o)
	return h
}

func (h *host) want(version string) upgrade.Wanted {
	return upgrade.Wanted{APIURL: h.plane.URL, Program: api.ProgramWorker, Version: version}
}

// install finds and fetches.
func (h *host) install(ctx context.Context, w upgrade.Wanted) (manifest.Installed, error) {
	found, err := h.Find(ctx, w)
	if err != nil {
		return manifest.Installed{}, err
	}
	return h.Fetch(ctx, found, nil)
}

// clean fails when anything is left that is no installed version.
func (h *host) clean(t testing.TB, versions ...string) {
	t.Helper()
	var have []string
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(h.dir, path)
		switch parts := strings.Split(filepath.ToSlash(rel), "/"); {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case strings.HasPrefix(parts[0], ".tmp"):
			t.Errorf("a temporary folder is left: %s", rel)
			return fs.SkipDir
		case len(parts) == 2:
			have = append(have, parts[1])
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(have, " ") != strings.Join(versions, " ") {
		t.Errorf("the folder holds %q, want %q", have, versions)
	}
	rows, err := h.records.InstalledVersions(t.Context(), "")
	if err != nil || len(rows) != len(versions) {
		t.Errorf("%d versions are recorded (%v), want %d", len(rows), err, len(versions))
	}
}

// wantCode fails unless err is an *api.Error with the code.
func wantCode(t testing.TB, err error, code string) *api.Error {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want an error with the code %s", err, code)
	}
	return e
}

// script is a program that says a version.
func script(version string) []byte {
	return []byte("#!/bin/sh\necho " + version + "\n")
}

// member is a file of an archive.
type member struct {
	name string
	body []byte
	mode int64
	kind byte // of tar; 0 is a plain file
	link string
}

func tarGz(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	plain := gzip.NewWriter(&out)
	files := tar.NewWriter(plain)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: m.mode, Size: int64(len(m.body)), Typeflag: m.kind, Linkname: m.link, Format: tar.FormatPAX}
		if m.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := files.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := files.Write(m.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(files.Close(), plain.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipped(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	files := zip.NewWriter(&out)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		mode := fs.FileMode(m.mode)
		if m.link != "" {
			mode |= fs.ModeSymlink
			m.body = []byte(m.link)
		}
		h.SetMode(mode)
		w, err := files.CreateHeader(h)
		if err == nil {
			_, err = w.Write(m.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
