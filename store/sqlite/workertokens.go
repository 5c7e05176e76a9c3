package sqlite

import (
	"context"

	"pipedai/store"
)

// RotateWorkerToken puts a new token beside the one a worker shows.
func (s *Store) RotateWorkerToken(ctx context.Context, p store.RotateWorkerToken) (out store.Token, err error) {
	err = s.write(ctx, "rotate worker token", func(t *tx) error {
		var old store.Token
		err := t.one(func(row scanner) error { return scanToken(row, &old) }, `select `+tokenCols+` from tokens
			where hash = ?1 and kind = 'wkt' and revoked_at is null and (expires_at is null or expires_at > ?2)`, p.Old, us(t.now))
		if err != nil {
			return err
		}
		var replaced bool
		if err := t.row(`select exists (select 1 from tokens where replaces = ?1 and last_used_at is not null)`, []any{p.Old}, &replaced); err != nil {
			return err
		}
		if replaced {
			return store.ErrConflict
		}
		if err := t.run(`update tokens set revoked_at = ?2 where replaces = ?1 and last_used_at is null and revoked_at is null`, p.Old, us(t.now)); err != nil {
			return err
		}
		out = store.Token{
			Hash: p.New, Kind: old.Kind, Role: old.Role, Name: old.Name, Workspace: old.Workspace, Worker: old.Worker,
			LastFour: p.LastFour, CreatedAt: t.now, Replaces: p.Old,
		}
		if err := t.putToken(out); err != nil {
			return err
		}
		return t.run(`update tokens set replaces = ?2 where hash = ?1`, p.New, p.Old)
	})
	return out, err
}

// retire ends the token that one replaces, now that it is used: when the last
// run that its worker has in hand must have ended.
func (t *tx) retire(k store.Token) error {
	return t.run(`update tokens set expires_at = min(coalesce(expires_at, 9223372036854775807),
			max(?3, (select coalesce(max(deadline), 0) from task_runs where owner is not null and owner = ?2)))
		where hash = ?1 and revoked_at is null`, k.Replaces, string(k.Worker), us(t.now.Add(store.RotationGrace)))
}

// AskRotation marks the tokens that a worker uses.
func (s *Store) AskRotation(ctx context.Context, id store.WorkerID) error {
	return s.write(ctx, "ask for rotation", func(t *tx) error {
		n, err := t.exec(`update tokens set rotate = 1 where worker_id = ?1 and kind = 'wkt' and revoked_at is null
			and (expires_at is null or expires_at > ?2)`, id, us(t.now))
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		return err
	})
}
