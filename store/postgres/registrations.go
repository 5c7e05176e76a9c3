package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"pipedai/pipeline"
	"pipedai/store"
)

// registrationsKept is how long expired registrations are kept, so that whoever
// uses one late hears that it has expired.
const registrationsKept = 24 * time.Hour

const registrationCols = `id, workspace_id, secret_hash, host, label, minted_by, created_at, expires_at, used_at, revoked_at, worker_id`

func scanRegistration(row scanner, r *store.Registration) error {
	return row.Scan(&r.ID, &r.Workspace, &r.SecretHash, &r.Host, &r.Label, &r.MintedBy,
		timeCol{&r.CreatedAt}, timeCol{&r.ExpiresAt}, timeCol{&r.UsedAt}, timeCol{&r.RevokedAt}, asText(&r.Worker))
}

// CreateRegistration stores a token that was minted.
func (s *Store) CreateRegistration(ctx context.Context, r store.Registration) (store.Registration, error) {
	if r.ID == "" {
		r.ID = "reg_" + pipeline.Random(16)
	}
	err := s.write(ctx, "create registration", func(t *tx) error {
		if r.CreatedAt.IsZero() {
			r.CreatedAt = t.now
		}
		if _, err := t.exec(`delete from registrations where expires_at < $1`, ts(t.now.Add(-registrationsKept))); err != nil {
			return err
		}
		n, err := t.exec(`insert into registrations (id, workspace_id, secret_hash, host, label, minted_by, created_at, expires_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
			r.ID, r.Workspace, r.SecretHash, r.Host, r.Label, r.MintedBy, ts(r.CreatedAt), ts(r.ExpiresAt))
		if err == nil && n == 0 {
			err = store.ErrConflict
		}
		return err
	})
	return r, err
}

// RegistrationBySecret finds one by the hash of its token.
func (s *Store) RegistrationBySecret(ctx context.Context, hash string) (store.Registration, error) {
	return one(ctx, s, "read registration", scanRegistration, `select `+registrationCols+` from registrations where secret_hash = $1`, hash)
}

// Registrations lists those that are kept.
func (s *Store) Registrations(ctx context.Context, workspace store.WorkspaceID) ([]store.Registration, error) {
	return all(ctx, s, "list registrations", scanRegistration,
		`select `+registrationCols+` from registrations where $1::text = '' or workspace_id = $1 order by created_at desc, id`, workspace)
}

// RevokeRegistration ends one that was not used.
func (s *Store) RevokeRegistration(ctx context.Context, workspace store.WorkspaceID, id string) (store.Registration, error) {
	var out store.Registration
	err := s.write(ctx, "revoke registration", func(t *tx) error {
		err := scanRegistration(t.c.QueryRow(t.ctx, `update registrations set revoked_at = case when used_at is null then coalesce(revoked_at, $3) end
			where id = $1 and ($2::text = '' or workspace_id = $2) returning `+registrationCols, id, workspace, ts(t.now)), &out)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return store.ErrNotFound
		case err == nil && !out.UsedAt.IsZero():
			return store.ErrConflict
		}
		return err
	})
	return out, err
}

// RegisterWorker trades a registration for a worker with its token.
func (s *Store) RegisterWorker(ctx context.Context, p store.RegisterWorker) (store.Worker, error) {
	var out store.Worker
	err := s.write(ctx, "register worker", func(t *tx) error {
		if _, err := t.exec(`select 1 from hosts h join registrations r on r.id = $1 and r.workspace_id = h.workspace_id and r.host = h.name
			for share of h`, p.Registration); err != nil { // see holdHost
			return err
		}
		// Used up first: of two that come at once, one finds nothing to use.
		var r store.Registration
		err := scanRegistration(t.c.QueryRow(t.ctx, `update registrations set used_at = $1
			where id = $2 and used_at is null and revoked_at is null and expires_at > $1 returning `+registrationCols, ts(t.now), p.Registration), &r)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrConflict
		}
		if err != nil {
			return err
		}
		label := p.Label
		if label == "" {
			label = r.Label
		}
		out, err = t.worker(`insert into workers (id, workspace_id, hostname, host, label, os, version, registered_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8)
			on conflict (workspace_id, hostname) where deleted_at is null do update set
				label = case when excluded.label = '' then workers.label else excluded.label end, os = excluded.os, version = excluded.version
				where excluded.host = '' or excluded.host = workers.host or workers.host = '' and workers.hostname = excluded.host
			returning `+workerCols,
			"wrk_"+pipeline.Random(16), r.Workspace, p.Hostname, r.Host, label, p.OS, p.Version, ts(t.now))
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrHostTaken
		}
		if err != nil {
			return err
		}
		if err := t.joinPause(out); err != nil {
			return err
		}
		if _, err := t.exec(`update registrations set worker_id = $1 where id = $2`, out.ID, r.ID); err != nil {
			return err
		}
		_, err = t.exec(`update tokens set revoked_at = $1 where worker_id = $2 and kind = 'wkt' and revoked_at is null`, ts(t.now), out.ID)
		if err != nil {
			return err
		}
		return t.putToken(store.Token{Hash: p.WorkerTokenHash, Kind: "wkt", Name: out.Hostname, Workspace: out.Workspace, Worker: out.ID})
	})
	return out, err
}

// handHostToken gives the host tokens of a worker that goes to another one of
// the same host, oldest first: the host still keeps that one.
func (t *tx) handHostToken(id store.WorkerID) error {
	_, err := t.exec(`update tokens set worker_id = (
			select o.id from workers o join workers w on w.id = $1
			where o.workspace_id = w.workspace_id and o.id <> w.id and o.deleted_at is null
				and coalesce(nullif(o.host, ''), o.hostname) = coalesce(nullif(w.host, ''), w.hostname)
			order by o.registered_at, o.id limit 1)
		where worker_id = $1 and kind = 'hos' and revoked_at is null and exists (
			select 1 from workers o join workers w on w.id = $1
			where o.workspace_id = w.workspace_id and o.id <> w.id and o.deleted_at is null
				and coalesce(nullif(o.host, ''), o.hostname) = coalesce(nullif(w.host, ''), w.hostname))`, id)
	return err
}
