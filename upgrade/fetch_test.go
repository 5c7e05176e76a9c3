package upgrade_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/manifest"
	"pipedai/upgrade"
)

const stall = 300 * time.Millisecond

// Whatever comes instead of the signed file is refused, nothing of it stays, and
// the version that is here goes on.
func TestUpgrade_U2_onlyTheSignedBytes(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(script("1.1.0")) }))
	t.Cleanup(elsewhere.Close)
	redirect := func(to string) func(http.ResponseWriter, *http.Request, []byte) {
		return func(w http.ResponseWriter, r *http.Request, _ []byte) {
			http.Redirect(w, r, to+r.URL.Path, http.StatusFound)
		}
	}
	for name, bad := range map[string]struct {
		send    func(w http.ResponseWriter, r *http.Request, data []byte)
		code    string
		message string
	}{
		"changed": {func(w http.ResponseWriter, _ *http.Request, data []byte) {
			data = bytes.Clone(data)
			data[20] ^= 1
			_, _ = w.Write(data)
		}, api.CodeArtifactBroken, "SHA-256"},
		"truncated": {func(w http.ResponseWriter, _ *http.Request, data []byte) { _, _ = w.Write(data[:len(data)-1]) }, api.CodeArtifactBroken, "ended after"},
		"empty":     {func(http.ResponseWriter, *http.Request, []byte) {}, api.CodeArtifactBroken, "ended after 0"},
		"longer": {func(w http.ResponseWriter, _ *http.Request, data []byte) {
			_, _ = w.Write(append(bytes.Clone(data), '\n'))
		}, api.CodeArtifactBroken, "longer"},
		"endless": {func(w http.ResponseWriter, r *http.Request, _ []byte) {
			for block := make([]byte, 64<<10); r.Context().Err() == nil; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, api.CodeArtifactBroken, "longer"},
		"a slow drip": {func(w http.ResponseWriter, r *http.Request, data []byte) {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for _, b := range data {
				if _, err := w.Write([]byte{b}); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-tick.C:
				}
			}
		}, api.CodeTimeout, "too slowly"},
		"no answer":                  {func(_ http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() }, api.CodeTimeout, "too slowly"},
		"404":                        {func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusNotFound) }, "", "404"},
		"500":                        {func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(http.StatusInternalServerError) }, "", "500"},
		"redirect to another server": {redirect(elsewhere.URL), api.CodeUpstream, "another server"},
		"redirect to another scheme": {redirect("https://127.0.0.1:1"), api.CodeUpstream, "redirects from http to https"},
		"redirects without end": {func(w http.ResponseWriter, r *http.Request, _ []byte) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, api.CodeUpstream, "again and again"},
		"another part than asked": {func(w http.ResponseWriter, _ *http.Request, data []byte) {
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(data)
		}, api.CodeArtifactBroken, "go on at 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t)
			h := newHost(t, p, func(o *upgrade.Options) { o.Tune(nil, stall, nil) })
			p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, script("1.0.0")), script("1.0.0"))
			if _, err := h.install(t.Context(), h.want("")); err != nil {
				t.Fatal(err)
			}
			// So long that a drip would take minutes.
			data := append(script("1.1.0"), bytes.Repeat([]byte("#"), 100_000)...)
			p.publish(t, made(api.ProgramWorker, "1.1.0", 2, release.FormatBinary, data), data)
			p.lie(bad.send)
			_, err := h.install(t.Context(), h.want(""))
			var refusal *api.Error
			if !errors.As(err, &refusal) || bad.code != "" && refusal.Code != bad.code || !strings.Contains(err.Error(), bad.message) {
				t.Fatalf("got %v, want %s with %q", err, bad.code, bad.message)
			}
			h.clean(t, "1.0.0")
			if _, err := h.Program(t.Context(), api.ProgramWorker, "1.0.0"); err != nil {
				t.Errorf("the version before: %v", err)
			}
			p.lie(nil)
			if _, err := h.install(t.Context(), h.want("")); err != nil {
				t.Errorf("once the server is well: %v", err)
			}
			h.clean(t, "1.0.0", "1.1.0")
		})
	}
}

func TestFetch_goesOnAfterABrokenConnection(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	data := append(script("1.0.0"), bytes.Repeat([]byte("#"), 300_000)...)
	p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, data), data)
	var ranges []string
	p.lie(func(w http.ResponseWriter, r *http.Request, data []byte) {
		p.mu.Lock()
		ranges = append(ranges, r.Header.Get("Range"))
		n := len(ranges)
		p.mu.Unlock()
		if n > 2 {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
			return
		}
		if n == 2 { // a server that cannot go on begins anew
			r.Header.Del("Range")
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data[:n*100_000])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	last := int64(0)
	found, err := h.Find(t.Context(), h.want(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Fetch(t.Context(), found, func(done, total int64) {
		last = done
		if total != int64(len(data)) {
			t.Errorf("a total of %d", total)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(ranges) != 3 || ranges[0] != "" || ranges[1] == "" || ranges[2] == "" || last != int64(len(data)) {
		t.Errorf("asked for %q and told of %d of %d bytes", ranges, last, len(data))
	}
}

// Two that install at once do it once; one that cannot wait is told why.
func TestFetch_twoAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, script("1.0.0")), script("1.0.0"))
	entered, gate := make(chan struct{}, 1), make(chan struct{})
	p.lie(func(w http.ResponseWriter, _ *http.Request, data []byte) {
		entered <- struct{}{}
		<-gate
		_, _ = w.Write(data)
	})
	other := upgrade.New(upgrade.Options{Dir: h.dir, Records: h.records, Dial: func(url string) (upgrade.Source, error) { return upgrade.NewSource(url, "", "test"), nil }})
	found, err := h.Find(t.Context(), h.want(""))
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	fetch := func(u *upgrade.Upgrader) {
		if v, err := u.Fetch(t.Context(), found, nil); err != nil || v.Version != "1.0.0" {
			t.Errorf("%+v, %v", v, err)
		}
	}
	both.Go(func() { fetch(h.Upgrader) })
	<-entered
	impatient, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err = other.Fetch(impatient, found, nil)
	if refusal := wantCode(t, err, api.CodeConflict); !strings.Contains(refusal.Message, "another program is installing") {
		t.Errorf("the impatient one is told %q", refusal.Message)
	}
	if err := other.Sweep(t.Context()); err != nil { // a daemon that starts meanwhile
		t.Error(err)
	}
	both.Go(func() { fetch(other) })
	close(gate)
	both.Wait()
	if n := p.downloads(); n != 1 {
		t.Errorf("%d downloads", n)
	}
	h.clean(t, "1.0.0")
}

func TestFetch_cancelled(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, script("1.0.0")), script("1.0.0"))
	enough := errors.New("somebody changed their mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	p.lie(func(_ http.ResponseWriter, r *http.Request, _ []byte) {
		cancel(enough)
		<-r.Context().Done()
	})
	if _, err := h.install(ctx, h.want("")); !errors.Is(err, enough) {
		t.Errorf("got %v, want the cause", err)
	}
	h.clean(t)
}

func TestPrune(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	now := time.Now()
	h := newHost(t, p, func(o *upgrade.Options) { o.Tune(func() time.Time { return now }, 0, nil) })
	for i, version := range []string{"1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"} {
		p.publish(t, made(api.ProgramWorker, version, int64(i+1), release.FormatBinary, script(version)), script(version))
		if _, err := h.install(t.Context(), h.want("")); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	if err := h.records.Add(t.Context(), manifest.Entry{ID: "w1", Label: "w1", APIURL: p.URL, ConfigPath: "/w1", Mode: manifest.ModePool, Version: "1.1.0"}); err != nil {
		t.Fatal(err)
	}
	removed, err := h.Prune(t.Context(), api.ProgramWorker, []string{"1.0.0"})
	if err != nil || len(removed) != 1 || removed[0].Version != "1.2.0" {
		t.Fatalf("removed %+v, %v", removed, err)
	}
	h.clean(t, "1.0.0", "1.1.0", "1.3.0", "1.4.0", "1.5.0")
	wantCode(t, h.Remove(t.Context(), api.ProgramWorker, "1.1.0", nil), api.CodeConflict) // an entry is pinned to it
	wantCode(t, h.Remove(t.Context(), api.ProgramWorker, "1.0.0", []string{"1.0.0"}), api.CodeConflict)
	if err := h.Remove(t.Context(), api.ProgramWorker, "1.0.0", nil); err != nil {
		t.Error(err)
	}
	if err := h.Remove(t.Context(), api.ProgramWorker, "1.0.0", nil); !errors.Is(err, upgrade.ErrNotInstalled) {
		t.Errorf("once more: %v", err)
	}
	h.clean(t, "1.1.0", "1.3.0", "1.4.0", "1.5.0")
}

// self runs this test binary as another process.
func self(t testing.TB, env ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// A process that is killed anywhere leaves a whole version or none, and the next
// one takes the rest away.
func TestFetch_killedAnywhere(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("it has no signal that kills")
	}
	for _, point := range []string{"downloaded", "staged", "renamed", "recorded", "forgotten"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t)
			h := newHost(t, p, nil)
			p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, script("1.0.0")), script("1.0.0"))
			out, err := self(t, "UPGRADE_TEST_INSTALL="+filepath.Dir(h.dir), "UPGRADE_TEST_PLANE="+p.URL, "UPGRADE_TEST_POINT="+point).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Fatalf("the child ended with %v: %s", err, out)
			}
			if err := h.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if point == "recorded" {
				h.clean(t, "1.0.0")
			} else {
				h.clean(t)
			}
			if _, err := h.install(t.Context(), h.want("")); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Program(t.Context(), api.ProgramWorker, "1.0.0"); err != nil {
				t.Error(err)
			}
			h.clean(t, "1.0.0")
		})
	}
}
