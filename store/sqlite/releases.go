package sqlite

import (
	"context"
	"slices"

	"pipedai/pipeline"
	"pipedai/store"
	"pipedai/store/internal/flow"
)

func scanReleaseKey(row scanner, k *store.ReleaseKey) error {
	var statement string
	err := row.Scan(&k.ID, &k.Public, asText(&statement), timeCol{&k.AddedAt}, &k.AddedBy)
	if statement != "" {
		k.Statement = []byte(statement)
	}
	return err
}

const releaseKeysQuery = `select key_id, public_key, statement, added_at, added_by from release_keys order by seq`

// ReleaseKeys is the history of the release key.
func (s *Store) ReleaseKeys(ctx context.Context) ([]store.ReleaseKey, error) {
	return all(ctx, s, "read release keys", scanReleaseKey, releaseKeysQuery)
}

// releaseKeys reads the history and the id of its last key, inside a step.
func (t *tx) releaseKeys() (keys []store.ReleaseKey, current string, err error) {
	err = t.rows(releaseKeysQuery, nil, func(row scanner) error {
		var k store.ReleaseKey
		err := scanReleaseKey(row, &k)
		keys = append(keys, k)
		return err
	})
	if len(keys) > 0 {
		current = keys[len(keys)-1].ID
	}
	return keys, current, err
}

// AddReleaseKey appends a key to the history.
func (s *Store) AddReleaseKey(ctx context.Context, after string, k store.ReleaseKey) error {
	return s.write(ctx, "add release key", func(t *tx) error {
		keys, current, err := t.releaseKeys()
		if err != nil {
			return err
		}
		for _, known := range keys {
			if known.ID == k.ID {
				return store.ErrKeyKnown
			}
		}
		if current != after {
			return store.ErrConflict
		}
		if k.AddedAt.IsZero() {
			k.AddedAt = t.now
		}
		_, err = t.exec(`insert into release_keys (seq, key_id, public_key, statement, added_at, added_by) values (?1, ?2, ?3, ?4, ?5, ?6)`,
			len(keys)+1, k.ID, k.Public, text(string(k.Statement)), us(k.AddedAt), k.AddedBy)
		return err
	})
}

// ForgetReleaseKeys ends a history.
func (s *Store) ForgetReleaseKeys(ctx context.Context, current string) (left int, err error) {
	err = s.write(ctx, "forget release keys", func(t *tx) error {
		_, last, err := t.releaseKeys()
		if err != nil {
			return err
		}
		if last == "" || last != current {
			return store.ErrConflict
		}
		if err := t.row(`select count(*) from releases where yanked_at is null and published_at is not null`, nil, &left); err != nil {
			return err
		}
		_, err = t.exec(`delete from release_keys`)
		return err
	})
	return left, err
}

const releaseCols = `r.id, r.program, r.version, r.channel, r.sequence, r.key_id, r.digest, r.envelope, r.created_at, r.expires_at,
	r.added_at, r.added_by, r.published_at, r.yanked_at, r.yanked_by, r.yank_reason`

// releasesQuery and artifactsQuery read releases with their artifacts, in the
// order that flow.JoinArtifacts wants.
const (
	releasesOf     = ` where (?1 = '' or r.program = ?1) and (?2 = '' or r.version = ?2) and (?3 = '' or r.channel = ?3)`
	releasesQuery  = `select ` + releaseCols + ` from releases r` + releasesOf + ` order by r.program, r.channel, r.sequence desc`
	artifactsQuery = `select a.release_id, a.name, a.os, a.arch, a.format, a.size, a.sha256, a.backend, a.path
		from release_artifacts a join releases r on r.id = a.release_id` + releasesOf + ` order by a.name`
)

func scanRelease(row scanner, r *store.Release) error {
	var envelope string
	err := row.Scan(&r.ID, &r.Program, &r.Version, &r.Channel, &r.Sequence, &r.KeyID, &r.Digest, &envelope, timeCol{&r.CreatedAt}, timeCol{&r.ExpiresAt},
		timeCol{&r.AddedAt}, &r.AddedBy, timeCol{&r.PublishedAt}, timeCol{&r.YankedAt}, &r.YankedBy, &r.YankReason)
	r.Envelope = []byte(envelope)
	return err
}

func scanArtifact(row scanner, a *flow.ArtifactRow) error {
	return row.Scan(&a.Release, &a.Name, &a.OS, &a.Arch, &a.Format, &a.Size, &a.SHA256, &a.Backend, &a.Path)
}

// Releases lists releases.
func (s *Store) Releases(ctx context.Context, f store.ReleaseFilter) ([]store.Release, error) {
	args := []any{flow.Text(f.Program), flow.Text(f.Version), flow.Text(f.Channel)}
	// The artifacts first: those of a release do not change, and a release that
	// has none here came in between.
	artifacts, err := all(ctx, s, "list artifacts", scanArtifact, artifactsQuery, args...)
	if err != nil {
		return nil, err
	}
	found, err := all(ctx, s, "list releases", scanRelease, releasesQuery, args...)
	if err != nil {
		return nil, err
	}
	flow.JoinArtifacts(found, artifacts)
	return slices.DeleteFunc(found, func(r store.Release) bool { return len(r.Artifacts) == 0 }), nil
}

// releases is Releases inside a step.
func (t *tx) releases(program, version string) (out []store.Release, err error) {
	args := []any{program, version, ""}
	err = t.rows(releasesQuery, args, func(row scanner) error {
		var r store.Release
		err := scanRelease(row, &r)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	var artifacts []flow.ArtifactRow
	err = t.rows(artifactsQuery, args, func(row scanner) error {
		var a flow.ArtifactRow
		err := scanArtifact(row, &a)
		artifacts = append(artifacts, a)
		return err
	})
	flow.JoinArtifacts(out, artifacts)
	return out, err
}

func (t *tx) dropReleases(ids []string) error {
	for _, id := range ids {
		if _, err := t.exec(`delete from releases where id = ?1`, id); err != nil {
			return err
		}
	}
	return nil
}

// AddRelease stores a signed release.
func (s *Store) AddRelease(ctx context.Context, r store.Release) (out store.Release, err error) {
	if r.ID == "" {
		r.ID = "rel_" + pipeline.Random(16)
	}
	err = s.write(ctx, "add release", func(t *tx) error {
		_, current, err := t.releaseKeys()
		if err != nil {
			return err
		}
		have, err := t.releases(r.Program, "")
		if err != nil {
			return err
		}
		var replaced []string
		out, replaced, err = flow.AdmitRelease(r, have, current, t.now)
		if err != nil || out.ID != r.ID {
			return err
		}
		if !out.PublishedAt.IsZero() {
			replaced = append(replaced, flow.Superseded(out, have)...)
		}
		if err := t.dropReleases(replaced); err != nil {
			return err
		}
		return t.insertRelease(out)
	})
	return out, err
}

func (t *tx) insertRelease(r store.Release) error {
	_, err := t.exec(`insert into releases (id, program, version, channel, sequence, key_id, digest, envelope, created_at, expires_at, added_at, added_by, published_at)
		values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`, r.ID, r.Program, r.Version, r.Channel, r.Sequence, r.KeyID, r.Digest,
		string(r.Envelope), us(r.CreatedAt), us(r.ExpiresAt), us(r.AddedAt), r.AddedBy, us(r.PublishedAt))
	for _, a := range r.Artifacts {
		if err != nil {
			return err
		}
		_, err = t.exec(`insert into release_artifacts (release_id, name, os, arch, format, size, sha256, backend, path)
			values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`, r.ID, a.Name, a.OS, a.Arch, a.Format, a.Size, a.SHA256, a.Backend, a.Path)
	}
	return err
}

// StoreArtifact notes where bytes are, and publishes what is whole now.
func (s *Store) StoreArtifact(ctx context.Context, a store.StoredArtifact) (published []store.Release, err error) {
	err = s.write(ctx, "note artifact", func(t *tx) error {
		published = nil
		if _, _, err := t.releaseKeys(); err != nil {
			return err
		}
		if _, err := t.exec(`update release_artifacts set backend = ?1, path = ?2
			where sha256 = ?3 and size = ?4 and path = '' and release_id in (select id from releases where program = ?5)`,
			a.Backend, a.Path, a.SHA256, a.Size, a.Program); err != nil {
			return err
		}
		have, err := t.releases(a.Program, "")
		if err != nil {
			return err
		}
		for _, r := range have {
			if !r.PublishedAt.IsZero() || !r.YankedAt.IsZero() || !flow.Complete(r) {
				continue
			}
			r.PublishedAt = t.now
			if _, err := t.exec(`update releases set published_at = ?1 where id = ?2`, us(r.PublishedAt), r.ID); err != nil {
				return err
			}
			if err := t.dropReleases(flow.Superseded(r, have)); err != nil {
				return err
			}
			published = append(published, r)
		}
		return nil
	})
	return published, err
}

// YankRelease takes a version back.
func (s *Store) YankRelease(ctx context.Context, y store.YankRelease) (out []store.Release, err error) {
	err = s.write(ctx, "yank release", func(t *tx) error {
		out = nil
		if _, _, err := t.releaseKeys(); err != nil {
			return err
		}
		if _, err := t.exec(`update releases set yanked_at = ?1, yanked_by = ?2, yank_reason = ?3
			where program = ?4 and version = ?5 and (?6 = '' or channel = ?6) and yanked_at is null`,
			us(t.now), y.By, y.Reason, y.Program, y.Version, y.Channel); err != nil {
			return err
		}
		found, err := t.releases(y.Program, y.Version)
		for _, r := range found {
			if y.Channel == "" || r.Channel == y.Channel {
				out = append(out, r)
			}
		}
		if err == nil && len(out) == 0 {
			err = store.ErrNotFound
		}
		return err
	})
	return out, err
}
