package daemon

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/enroll"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

func networkHost(t *testing.T) *host {
	t.Helper()
	dir, err := hostdir.At(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Make(); err != nil {
		t.Fatal(err)
	}
	hosts, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hosts.Close() })
	o := testOptions(dir)
	o.defaults()
	return newHost(o, hosts)
}

// A manifest from before may name a control plane that is reached in the clear.
func TestCredential_neverInTheClear(t *testing.T) {
	t.Parallel()
	h := networkHost(t)
	for _, url := range []string{"http://10.0.0.5:3000", "https://api.example.test"} {
		if err := enroll.PutOperator(h.o.Dir.Credentials(), url, "ws1", "hos_secret"); err != nil {
			t.Fatal(err)
		}
	}
	if token, err := h.credential("https://api.example.test/", "ws1"); err != nil || token.Reveal() != "hos_secret" {
		t.Errorf("%v", err)
	}
	if token, err := h.credential("http://10.0.0.5:3000", "ws1"); err == nil || !token.Empty() || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("a credential would be sent in the clear: %v", err)
	}
	if token, err := h.poolCredential("https://other.example.test"); err != nil || !token.Empty() {
		t.Errorf("%v", err)
	}
}

func TestNoteVerdict(t *testing.T) {
	t.Parallel()
	h := networkHost(t)
	for _, change := range [][2]string{
		{api.VerdictUnknown, api.VerdictOnline}, {api.VerdictOnline, api.VerdictOffline}, {api.VerdictOffline, api.VerdictOnline},
	} {
		h.noteVerdict(change[0], api.ConnectivitySample{Verdict: change[1]})
	}
	h.events.flush(t.Context())
	events, err := h.manifest.Events(t.Context(), manifest.EventsQuery{})
	if err != nil || len(events) != 2 || events[0].Type != api.HostConnectivityChanged || string(events[0].Data) != `{"from":"online","to":"offline"}` {
		t.Errorf("events %+v, %v", events, err)
	}
}

// The file of a worker that was put there for everybody to read is ours to
// close; one that a person keeps elsewhere is not.
func TestProtect_workerFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // files there have no such modes
	}
	h := networkHost(t)
	ours, theirs := h.o.Dir.WorkerConfig("box"), filepath.Join(t.TempDir(), "worker.json")
	for path, want := range map[string]os.FileMode{ours: 0o600, theirs: 0o644} {
		if err := os.WriteFile(path, []byte(`{}`), 0o644); err != nil {
			t.Fatal(err)
		}
		h.protect(manifest.Entry{ID: "w1", ConfigPath: path})
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}
