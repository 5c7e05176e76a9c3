package flow

import (
	"slices"
	"strings"
	"time"

	"pipedai/store"
)

// AdmitRelease decides whether a signed release may be stored beside those that
// the program has, of every version and channel. It returns the one that is the
// same release, if there is one; otherwise r with the bytes that are in storage
// already, and the ids of those whose place it takes at once. currentKey is the
// key that signs releases.
func AdmitRelease(r store.Release, have []store.Release, currentKey string, now time.Time) (out store.Release, replaced []string, err error) {
	known := map[string]store.ReleaseArtifact{} // bytes in storage, by their hash
	for _, other := range have {
		if other.Digest == r.Digest {
			return other, nil, nil
		}
		for _, a := range other.Artifacts {
			if a.Path != "" {
				known[a.SHA256] = a
			}
		}
	}
	switch {
	case r.KeyID != currentKey:
		return r, nil, store.ErrOldKey
	case yanked(r, have):
		return r, nil, store.ErrYanked
	}
	for _, other := range have {
		switch {
		case other.Channel == r.Channel && other.Sequence >= r.Sequence:
			return r, nil, store.ErrSequence
		case other.Version != r.Version:
		case !other.PublishedAt.IsZero() && differ(r.Artifacts, other.Artifacts):
			return r, nil, store.ErrOtherBytes
		case other.Channel == r.Channel && other.PublishedAt.IsZero():
			replaced = append(replaced, other.ID)
		}
	}
	r.Artifacts = slices.Clone(r.Artifacts)
	slices.SortFunc(r.Artifacts, func(a, b store.ReleaseArtifact) int { return strings.Compare(a.Name, b.Name) })
	for i, a := range r.Artifacts {
		if there, ok := known[a.SHA256]; ok && there.Size == a.Size {
			r.Artifacts[i].Backend, r.Artifacts[i].Path = there.Backend, there.Path
		}
	}
	if r.AddedAt.IsZero() {
		r.AddedAt = now
	}
	r.PublishedAt = time.Time{}
	if Complete(r) {
		r.PublishedAt = now
	}
	return r, replaced, nil
}

// yanked reports whether the version of a release was taken back on its
// channel, or on every channel it was on.
func yanked(r store.Release, have []store.Release) bool {
	all, gone := 0, 0
	for _, other := range have {
		if other.Version != r.Version {
			continue
		}
		all++
		if other.YankedAt.IsZero() {
			continue
		}
		if gone++; other.Channel == r.Channel {
			return true
		}
	}
	return gone > 0 && gone == all
}

// Complete reports whether the bytes of every artifact are in storage.
func Complete(r store.Release) bool {
	return !slices.ContainsFunc(r.Artifacts, func(a store.ReleaseArtifact) bool { return a.Path == "" })
}

// Superseded are those of have whose place a published release takes: of the
// same version and channel, and older.
func Superseded(r store.Release, have []store.Release) (ids []string) {
	for _, other := range have {
		if other.Version == r.Version && other.Channel == r.Channel && other.Sequence < r.Sequence {
			ids = append(ids, other.ID)
		}
	}
	return ids
}

// differ reports whether two releases of one version have different bytes under
// one name or for one platform.
func differ(a, b []store.ReleaseArtifact) bool {
	for _, x := range a {
		for _, y := range b {
			same := x.Name == y.Name || x.OS == y.OS && x.Arch == y.Arch
			if same && (x.SHA256 != y.SHA256 || x.Size != y.Size) {
				return true
			}
		}
	}
	return false
}

// ArtifactRow is an artifact with the id of its release.
type ArtifactRow struct {
	Release string
	store.ReleaseArtifact
}

// JoinArtifacts gives releases their artifacts. Those of a release that is not
// there are left out: it came or went between two reads.
func JoinArtifacts(releases []store.Release, artifacts []ArtifactRow) {
	at := make(map[string]int, len(releases))
	for i, r := range releases {
		at[r.ID] = i
	}
	for _, a := range artifacts {
		if i, known := at[a.Release]; known {
			releases[i].Artifacts = append(releases[i].Artifacts, a.ReleaseArtifact)
		}
	}
}
