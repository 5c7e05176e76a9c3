package postgres

import (
	"context"

	"pipedai/store"
)

// RotateWorkerToken puts a new token beside the one a worker shows.
func (s *Store) RotateWorkerToken(ctx context.Context, p store.RotateWorkerToken) (out store.Token, err error) {
	err = s.write(ctx, "rotate worker token", func(t *tx) error {
		if err := t.holdOwner(p.Old); err != nil {
			return err
		}
		// The lock keeps two rotations of one token apart.
		var old store.Token
		if err := scanToken(t.c.QueryRow(t.ctx, `select `+tokenCols+` from tokens
			where hash = $1 and kind = 'wkt' and revoked_at is null and (expires_at is null or expires_at > now()) for update`, p.Old), &old); err != nil {
			return err
		}
		var replaced bool
		if err := t.row(`select exists (select 1 from tokens where replaces = $1 and last_used_at is not null)`, []any{p.Old}, &replaced); err != nil {
			return err
		}
		if replaced {
			return store.ErrConflict
		}
		if _, err := t.exec(`update tokens set revoked_at = now() where replaces = $1 and last_used_at is null and revoked_at is null`, p.Old); err != nil {
			return err
		}
		out = store.Token{
			Hash: p.New, Kind: old.Kind, Role: old.Role, Name: old.Name, Workspace: old.Workspace, Worker: old.Worker,
			LastFour: p.LastFour, CreatedAt: t.now, Replaces: p.Old,
		}
		if err := t.putToken(out); err != nil {
			return err
		}
		_, err := t.exec(`update tokens set replaces = $2 where hash = $1`, p.New, p.Old)
		return err
	})
	return out, err
}

// holdOwner keeps the host and the worker of a token from being revoked or deleted
// until the step ends; see holdHost.
func (t *tx) holdOwner(hash string) error {
	var workspace store.WorkspaceID
	var worker store.WorkerID
	var host string
	if err := t.row(`select w.workspace_id, w.id, coalesce(nullif(w.host, ''), w.hostname) from tokens k join workers w on w.id = k.worker_id
		where k.hash = $1`, []any{hash}, &workspace, &worker, &host); err != nil {
		return err
	}
	if err := t.holdHost(workspace, host); err != nil {
		return err
	}
	_, err := t.exec(`select 1 from workers where id = $1 for share`, worker)
	return err
}

// retire ends the token that one replaces, now that it is used: when the last
// run that its worker has in hand must have ended.
func (s *Store) retire(ctx context.Context, k store.Token) error {
	return s.write(ctx, "retire token", func(t *tx) error {
		_, err := t.exec(`update tokens set expires_at = least(coalesce(expires_at, 'infinity'),
				greatest($3, (select max(deadline) from lease where owner = $2)))
			where hash = $1 and revoked_at is null`, k.Replaces, string(k.Worker), ts(t.now.Add(store.RotationGrace)))
		return err
	})
}

// AskRotation marks the tokens that a worker uses.
func (s *Store) AskRotation(ctx context.Context, id store.WorkerID) error {
	return s.write(ctx, "ask for rotation", func(t *tx) error {
		n, err := t.exec(`update tokens set rotate = true where worker_id = $1 and kind = 'wkt' and revoked_at is null
			and (expires_at is null or expires_at > now())`, id)
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		return err
	})
}
