package daemon

import (
	"os"
	"testing"

	"pipedai/enroll"
	"pipedai/manifest"
)

// Files are read again when they change, and only then.
func TestLearnSecrets_readsWhatChanged(t *testing.T) {
	t.Parallel()
	dir := newHome(t, "https://a.test", "w1", "w2")
	m, err := manifest.Open(t.Context(), dir.Manifest())
	noError(t, err)
	defer func() { _ = m.Close() }()
	h := newHost(testOptions(dir), m)
	entries, err := m.Entries(t.Context())
	noError(t, err)
	hides := func(text string) bool {
		h.learnSecrets(entries)
		hidden := h.hidden("w1").Text(text)
		return hidden != text
	}
	if !hides("wkt_the-worker-token") || !hides("hos_the-host-operator-token") {
		t.Error("a token shows")
	}
	set := h.hidden("w1")
	if h.learnSecrets(entries); h.hidden("w1") != set {
		t.Error("nothing changed, and all was read again")
	}
	const next = "wkt_another-token-xx" // as long as the one before it
	noError(t, enroll.WriteWorkerFile(dir.WorkerConfig("w1"), enroll.WorkerFile{WorkerID: "w1", WorkerToken: next}))
	value := "a-secret-variable"
	noError(t, enroll.ChangeWorkerEnv(dir.WorkerConfig("w2"), map[string]*string{"KEY": &value}))
	if !hides(next) || !hides(value) {
		t.Error("a new secret shows")
	}
	noError(t, os.Remove(enroll.WorkerEnvFile(dir.WorkerConfig("w2"))))
	if hides(value) {
		t.Error("what is no secret any more is hidden")
	}
	entries = entries[:1]
	if h.learnSecrets(entries); len(h.secrets.files) != 3 {
		t.Errorf("%d files are remembered, want 3", len(h.secrets.files))
	}
}
