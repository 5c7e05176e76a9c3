package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/store"
)

var releaseCases = []testCase{
	{name: "the history of the release key", run: releaseKeys},
	{name: "a release is published when its last artifact is stored", run: releasePublished},
	{name: "what a release is refused for", run: releaseRefused},
	{name: "a release takes the place of others of its version", run: releaseReplaces},
	{name: "a yanked version stays yanked", run: releaseYanked},
	{name: "two publish at once", run: releaseRace},
	{name: "a key that is given up leaves what it signed", run: releaseKeyForgotten},
}

// firstKey is the id of the key that signs in these cases.
const firstKey = "00000000000000k1"

func (f *fixture) releaseKey() {
	f.Helper()
	f.must(f.AddReleaseKey(f.ctx, "", store.ReleaseKey{ID: firstKey, Public: "prk_1", AddedBy: "ann"}))
}

// released is a release with an artifact for each platform; the bytes of a
// version differ from those of another.
func released(version, channel string, sequence int64, platforms ...string) store.Release {
	at := time.Now().UTC().Truncate(time.Millisecond)
	r := store.Release{
		Program: "prog", Version: version, Channel: channel, Sequence: sequence, KeyID: firstKey,
		Digest: fmt.Sprintf("digest of %s %s %d", version, channel, sequence), Envelope: []byte(`{"payload":"eyI+"}`),
		CreatedAt: at, ExpiresAt: at.Add(time.Hour), AddedBy: "ann",
	}
	for _, p := range platforms {
		r.Artifacts = append(r.Artifacts, store.ReleaseArtifact{
			Name: "prog_" + version + "_" + p, OS: p, Arch: "amd64", Format: "binary", SHA256: "sha of " + version + p, Size: 1 << 33,
		})
	}
	return r
}

func (f *fixture) addRelease(r store.Release) store.Release {
	f.Helper()
	got, err := f.AddRelease(f.ctx, r)
	f.must(err)
	return got
}

// storeArtifacts brings all bytes of a release.
func (f *fixture) storeArtifacts(r store.Release) []store.Release {
	f.Helper()
	var last []store.Release
	for _, a := range r.Artifacts {
		var err error
		last, err = f.StoreArtifact(f.ctx, store.StoredArtifact{Program: r.Program, SHA256: a.SHA256, Size: a.Size, Backend: "local", Path: "releases/" + a.Name})
		f.must(err)
	}
	return last
}

// listReleases names releases: version, channel, sequence, and what they are.
func (f *fixture) listReleases(filter store.ReleaseFilter) []string {
	f.Helper()
	all, err := f.Releases(f.ctx, filter)
	f.must(err)
	out := []string{}
	for _, r := range all {
		state := "published"
		switch {
		case !r.YankedAt.IsZero():
			state = "yanked"
		case r.PublishedAt.IsZero():
			state = "pending"
		}
		out = append(out, fmt.Sprint(r.Version, " ", r.Channel, " ", r.Sequence, " ", state))
	}
	return out
}

func (f *fixture) wantReleases(want ...string) {
	f.Helper()
	if diff := cmp.Diff(want, f.listReleases(store.ReleaseFilter{Program: "prog"})); diff != "" {
		f.Errorf("releases (-want +got):\n%s", diff)
	}
}

func releaseKeys(f *fixture) {
	keys, err := f.ReleaseKeys(f.ctx)
	f.must(err)
	if len(keys) != 0 {
		f.Errorf("at first there are %v", keys)
	}
	f.wantErr(f.AddReleaseKey(f.ctx, "none", store.ReleaseKey{ID: "k", Public: "prk"}), store.ErrConflict)
	f.releaseKey()
	f.wantErr(f.AddReleaseKey(f.ctx, "", store.ReleaseKey{ID: "other", Public: "prk_o"}), store.ErrConflict)
	f.must(f.AddReleaseKey(f.ctx, firstKey, store.ReleaseKey{ID: "k2", Public: "prk_2", Statement: []byte(`{"a":1}`), AddedBy: "bob"}))
	f.wantErr(f.AddReleaseKey(f.ctx, firstKey, store.ReleaseKey{ID: "k3", Public: "prk_3"}), store.ErrConflict)
	f.wantErr(f.AddReleaseKey(f.ctx, "k2", store.ReleaseKey{ID: firstKey, Public: "prk_1"}), store.ErrKeyKnown)
	keys, err = f.ReleaseKeys(f.ctx)
	f.must(err)
	if len(keys) != 2 || keys[0].ID != firstKey || keys[0].Statement != nil || keys[0].AddedAt.IsZero() ||
		keys[1].Public != "prk_2" || string(keys[1].Statement) != `{"a":1}` || keys[1].AddedBy != "bob" {
		f.Errorf("history %+v", keys)
	}
	_, err = f.AddRelease(f.ctx, released("1.0.0", "stable", 1, "linux"))
	f.wantErr(err, store.ErrOldKey)
}

func releasePublished(f *fixture) {
	_, err := f.AddRelease(f.ctx, released("1.0.0", "stable", 1, "linux"))
	f.wantErr(err, store.ErrOldKey) // nothing signs yet
	f.releaseKey()
	want := released("1.0.0", "stable", 1, "windows", "linux")
	made := f.addRelease(want)
	want.ID, want.AddedAt = made.ID, made.AddedAt
	slices.SortFunc(want.Artifacts, func(a, b store.ReleaseArtifact) int { return len(a.Name) - len(b.Name) })
	all, err := f.Releases(f.ctx, store.ReleaseFilter{Program: "prog", Version: "1.0.0", Channel: "stable"})
	f.must(err)
	if diff := cmp.Diff([]store.Release{want}, all); diff != "" || made.ID == "" || made.AddedAt.IsZero() {
		f.Errorf("(-added +listed):\n%s", diff)
	}
	// Published again, it is the same one.
	if again := f.addRelease(released("1.0.0", "stable", 1, "windows", "linux")); again.ID != made.ID {
		f.Errorf("added twice: %s and %s", made.ID, again.ID)
	}
	linux := store.StoredArtifact{Program: "prog", SHA256: "sha of 1.0.0linux", Size: 1 << 33, Backend: "local", Path: "releases/l"}
	for _, a := range []store.StoredArtifact{
		linux, linux,
		{Program: "prog", SHA256: "sha of 1.0.0windows", Size: 1, Backend: "local", Path: "short"},
		{Program: "other", SHA256: "sha of 1.0.0windows", Size: 1 << 33, Backend: "local", Path: "elsewhere"},
	} {
		if now, err := f.StoreArtifact(f.ctx, a); err != nil || len(now) != 0 {
			f.Errorf("%+v published %v, %v", a, now, err)
		}
	}
	f.wantReleases("1.0.0 stable 1 pending")
	now, err := f.StoreArtifact(f.ctx, store.StoredArtifact{Program: "prog", SHA256: "sha of 1.0.0windows", Size: 1 << 33, Backend: "local", Path: "releases/w"})
	f.must(err)
	if len(now) != 1 || now[0].ID != made.ID || now[0].PublishedAt.IsZero() || now[0].Artifacts[1].Path != "releases/w" {
		f.Errorf("published %+v", now)
	}
	f.wantReleases("1.0.0 stable 1 published")
	// Its bytes are known: the same version on another channel is there at once.
	beta := f.addRelease(released("1.0.0", "beta", 1, "linux"))
	if beta.PublishedAt.IsZero() || beta.Artifacts[0].Path != "releases/l" || beta.Artifacts[0].Backend != "local" {
		f.Errorf("promoted to %+v", beta)
	}
	f.wantReleases("1.0.0 beta 1 published", "1.0.0 stable 1 published")
}

func releaseRefused(f *fixture) {
	f.releaseKey()
	first := released("1.0.0", "stable", 5, "linux")
	f.addRelease(first)
	refuse := func(r store.Release, want error) {
		f.Helper()
		_, err := f.AddRelease(f.ctx, r)
		f.wantErr(err, want)
		f.wantErr(err, store.ErrConflict)
	}
	refuse(released("1.1.0", "stable", 5, "linux"), store.ErrSequence)
	refuse(released("1.1.0", "stable", 4, "linux"), store.ErrSequence)
	f.storeArtifacts(first)
	other := released("1.0.0", "beta", 1, "linux")
	other.Artifacts[0].SHA256 = "other bytes"
	refuse(other, store.ErrOtherBytes)
	renamed := released("1.0.0", "beta", 1, "linux")
	renamed.Artifacts[0].OS, renamed.Artifacts[0].SHA256 = "darwin", "other bytes"
	refuse(renamed, store.ErrOtherBytes)
	foreign := released("1.1.0", "stable", 6, "linux")
	foreign.KeyID = "k2"
	refuse(foreign, store.ErrOldKey)
	f.wantReleases("1.0.0 stable 5 published")
}

func releaseReplaces(f *fixture) {
	f.releaseKey()
	// Nobody saw it: built again, with other bytes.
	f.addRelease(released("1.0.0", "stable", 1, "linux"))
	again := released("1.0.0", "stable", 2, "linux")
	again.Artifacts[0].SHA256 = "built again"
	f.addRelease(again)
	f.wantReleases("1.0.0 stable 2 pending")
	f.storeArtifacts(again)
	// Another platform, later: the published one stays until all is there.
	more := released("1.0.0", "stable", 3, "linux", "darwin")
	more.Artifacts[0].SHA256 = "built again"
	f.addRelease(more)
	f.wantReleases("1.0.0 stable 3 pending", "1.0.0 stable 2 published")
	f.storeArtifacts(more)
	f.wantReleases("1.0.0 stable 3 published")
	// Signed again, with nothing to bring.
	renewed := released("1.0.0", "stable", 4, "linux")
	renewed.Artifacts[0].SHA256 = "built again"
	f.addRelease(renewed)
	f.wantReleases("1.0.0 stable 4 published")
	if got := f.listReleases(store.ReleaseFilter{Program: "prog", Channel: "beta"}); len(got) != 0 {
		f.Errorf("on another channel: %v", got)
	}
}

func releaseYanked(f *fixture) {
	f.releaseKey()
	_, err := f.YankRelease(f.ctx, store.YankRelease{Program: "prog", Version: "1.0.0"})
	f.wantErr(err, store.ErrNotFound)
	for i, channel := range []string{"beta", "edge", "stable"} {
		f.storeArtifacts(f.addRelease(released("1.0.0", channel, int64(i+1), "linux")))
	}
	f.addRelease(released("1.1.0", "stable", 9, "linux"))
	out, err := f.YankRelease(f.ctx, store.YankRelease{Program: "prog", Version: "1.0.0", Channel: "stable", Reason: "crashes", By: "bob"})
	f.must(err)
	if len(out) != 1 || out[0].YankReason != "crashes" || out[0].YankedBy != "bob" || out[0].YankedAt.IsZero() {
		f.Errorf("yanked %+v", out)
	}
	f.wantReleases("1.0.0 beta 1 published", "1.0.0 edge 2 published", "1.1.0 stable 9 pending", "1.0.0 stable 3 yanked")
	_, err = f.AddRelease(f.ctx, released("1.0.0", "stable", 10, "linux"))
	f.wantErr(err, store.ErrYanked)
	f.must1(f.AddRelease(f.ctx, released("1.0.0", "beta", 10, "linux"))) // another channel may go on
	out, err = f.YankRelease(f.ctx, store.YankRelease{Program: "prog", Version: "1.0.0", Reason: "worse", By: "ann"})
	f.must(err)
	if len(out) != 3 || out[2].YankReason != "crashes" || out[0].YankReason != "worse" {
		f.Errorf("yanked %+v", out)
	}
	_, err = f.AddRelease(f.ctx, released("1.0.0", "new", 1, "linux"))
	f.wantErr(err, store.ErrYanked)
	// What was on its way in stays out.
	f.must1(f.YankRelease(f.ctx, store.YankRelease{Program: "prog", Version: "1.1.0"}))
	if now := f.storeArtifacts(released("1.1.0", "stable", 9, "linux")); len(now) != 0 {
		f.Errorf("published %+v", now)
	}
}

// Of those who publish with one sequence at once, one does; the others hear it.
func releaseRace(f *fixture) {
	f.releaseKey()
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		r := released(fmt.Sprintf("1.0.%d", i), "stable", 1, "linux")
		wg.Go(func() { _, errs[i] = f.AddRelease(f.ctx, r) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, store.ErrSequence):
			f.Errorf("got %v", err)
		}
	}
	if won != 1 {
		f.Errorf("%d published with sequence 1", won)
	}
}

func releaseKeyForgotten(f *fixture) {
	_, err := f.ForgetReleaseKeys(f.ctx, "")
	f.wantErr(err, store.ErrConflict)
	f.releaseKey()
	first := released("1.0.0", "stable", 1, "linux")
	f.addRelease(first)
	f.storeArtifacts(first)
	f.addRelease(released("1.1.0", "stable", 2, "linux")) // nobody could install it
	_, err = f.ForgetReleaseKeys(f.ctx, "k2")
	f.wantErr(err, store.ErrConflict)
	if n, err := f.ForgetReleaseKeys(f.ctx, firstKey); err != nil || n != 1 {
		f.Errorf("left %d, %v", n, err)
	}
	f.must(f.AddReleaseKey(f.ctx, "", store.ReleaseKey{ID: "k2", Public: "prk_2"}))
	again := released("1.0.0", "stable", 3, "linux")
	again.KeyID = "k2"
	f.addRelease(again)
	f.wantReleases("1.0.0 stable 3 published", "1.1.0 stable 2 pending")
}
