package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/internal/release"
	"pipedai/manifest"
	"pipedai/upgrade"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	const url = "https://api.example.test"
	first, second := release.NewKey().Public(), release.NewKey().Public()
	tm.run(t, "keys").want(t, 0, "trusts no release key yet")
	tm.run(t, "keys", "--json").want(t, 0, `"items": []`)
	if _, err := os.Stat(filepath.Join(tm.home, "orchestrator")); err == nil {
		t.Error("looking made files")
	}
	tm.run(t, "keys", "trust", url, "prk_short").want(t, 2, "not a release key")
	tm.run(t, "keys", "trust", "ftp://x", first.String()).want(t, 2, "not the URL")
	tm.run(t, "keys", "reset", url).want(t, 0, "No key is trusted")

	tm.run(t, "keys", "trust", url+"/", first.String()).want(t, 0, "have to be signed by the key "+first.ID())
	tm.run(t, "keys", "trust", url, first.String()).want(t, 0, "already")
	tm.run(t, "keys", "trust", url, second.String()).want(t, 0, "no longer by "+first.ID())
	var listed api.TrustedKeys
	r := tm.run(t, "keys", "list", "--json")
	if err := json.Unmarshal([]byte(r.out), &listed); err != nil || len(listed.Items) != 2 {
		t.Fatalf("%v: %s", err, r.out)
	}
	if now, former := listed.Items[0], listed.Items[1]; now.PublicKey != second.String() || now.How != "person" || !now.RetiredAt.IsZero() ||
		former.KeyID != first.ID() || former.RetiredAt.IsZero() {
		t.Errorf("%+v", listed)
	}
	dir, _ := hostdir.At(tm.home)
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if err := m.NoteSequence(t.Context(), manifest.SeenSequence{APIURL: url, Program: "pipedai-worker", Channel: "stable", Sequence: 9e15, Version: "9.9.9"}); err != nil {
		t.Fatal(err)
	}
	tm.run(t, "keys").want(t, 0, second.ID(), "somebody here said so", "9.9.9")
	tm.run(t, "keys", "reset", url, "--sequences").want(t, 0, "begin anew", second.ID()+" stays")
	if r := tm.run(t, "keys"); strings.Contains(r.out, "9.9.9") {
		t.Errorf("the numbers are still there: %s", r.out)
	}
	tm.run(t, "keys", "reset", url, "--json").want(t, 0, `"kept": false`, second.ID())
	tm.run(t, "keys").want(t, 0, "trusts no release key yet")
}

// The key of a control plane's releases is trusted from the day a host joins it,
// and no later answer puts another in its place.
func TestConnect_pinsTheReleaseKey(t *testing.T) {
	t.Parallel()
	p, tm := newPlane(t), newTerminal(t)
	first, stranger := release.NewKey(), release.NewKey()
	p.keys = &api.ReleaseKeys{First: first.Public().String()}
	tm.run(t, "connect", "--api-url", p.URL, "--no-open", "--no-install").want(t, 0, "Connected")
	tm.run(t, "keys").want(t, 0, p.URL, first.Public().ID(), "came with the connection")

	p.mu.Lock()
	p.keys = &api.ReleaseKeys{First: stranger.Public().String()}
	p.mu.Unlock()
	tm.run(t, "connect", "--api-url", p.URL, "--no-open", "--no-install", "--label", "again").want(t, 0, "Connected", "warning:", "keys trust "+p.URL)
	if r := tm.run(t, "keys"); strings.Contains(r.out, stranger.Public().ID()) {
		t.Errorf("the other key was taken: %s", r.out)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	tm := newTerminal(t)
	tm.run(t, "versions").want(t, 0, "No versions are installed")
	dir, _ := hostdir.At(tm.home)
	if err := dir.Make(); err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Open(t.Context(), dir.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	u := upgrade.New(upgrade.Options{Dir: dir.Versions(), Records: m})
	program := filepath.Join(t.TempDir(), "pipedai-worker")
	var versions []string
	for _, version := range []string{"1.0.0", "1.1.0"} {
		if err := os.WriteFile(program, []byte("#!/bin/sh\necho "+version+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		found, err := u.Find(t.Context(), upgrade.Wanted{Program: api.ProgramWorker, Local: program})
		if err != nil {
			t.Fatal(err)
		}
		v, err := u.Fetch(t.Context(), found, nil)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, v.Version)
	}
	entry := manifest.Entry{ID: "w1", Label: "build-box", APIURL: "https://x.test", ConfigPath: "/w1", Mode: manifest.ModePool, Version: versions[0]}
	if err := m.Add(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	failed := manifest.FailedVersion{Subject: "w1", Program: api.ProgramWorker, Version: "1.2.0", Reason: "it ended at once", FailedAt: time.Now()}
	if err := m.NoteFailed(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	tm.run(t, "versions").want(t, 0, versions[0], versions[1], "build-box", "1.2.0", "it ended at once", "not tried again")
	var listed api.InstalledVersions
	r := tm.run(t, "versions", "list", "--json")
	if err := json.Unmarshal([]byte(r.out), &listed); err != nil || len(listed.Items) != 2 || len(listed.Failed) != 1 {
		t.Fatalf("%v: %s", err, r.out)
	}
	tm.run(t, "versions", "remove", "pipedai-worker", versions[0]).want(t, 6, "in use")
	if err := m.SetFormer(t.Context(), "w1", &versions[1]); err != nil {
		t.Fatal(err)
	}
	tm.run(t, "versions", "remove", "pipedai-worker", versions[1]).want(t, 6, "goes back to")
	if err := m.SetFormer(t.Context(), "w1", nil); err != nil {
		t.Fatal(err)
	}
	tm.run(t, "versions", "remove", "pipedai-worker", "../..").want(t, 1, "not installed")
	tm.run(t, "versions", "remove", "pipedai-worker", versions[1], "--json").want(t, 0, versions[1])
	if r := tm.run(t, "versions"); strings.Contains(r.out, versions[1]) {
		t.Errorf("it is still there: %s", r.out)
	}
}
