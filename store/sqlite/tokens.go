package sqlite

import (
	"context"
	"time"

	"pipedai/store"
)

//nolint:gosec // names of columns
const tokenCols = `hash, kind, role, name, workspace_id, worker_id, last_four, created_at, expires_at, revoked_at, last_used_at,
	replaces, rotate`

func scanToken(row scanner, k *store.Token) error {
	return row.Scan(&k.Hash, &k.Kind, &k.Role, &k.Name, &k.Workspace, asText(&k.Worker), &k.LastFour,
		timeCol{&k.CreatedAt}, timeCol{&k.ExpiresAt}, timeCol{&k.RevokedAt}, timeCol{&k.LastUsedAt},
		asText(&k.Replaces), &k.Rotate)
}

// operatorKinds are the kinds of token that operators are given.
const operatorKinds = `kind in ('pwk', 'pop')`

// OperatorTokens lists the tokens of operators.
func (s *Store) OperatorTokens(ctx context.Context, workspace store.WorkspaceID) ([]store.Token, error) {
	return all(ctx, s, "list tokens", scanToken, `select `+tokenCols+` from tokens where `+operatorKinds+` and (?1 = '' or workspace_id = ?1)
		order by created_at desc, hash`, workspace)
}

// RevokeToken ends an operator's token.
func (s *Store) RevokeToken(ctx context.Context, workspace store.WorkspaceID, id string) (out store.Token, err error) {
	const which = operatorKinds + ` and 'tok_' || substr(hash, 1, 16) = ?1 and (?2 = '' or workspace_id = ?2)`
	err = s.write(ctx, "revoke token", func(t *tx) error {
		return t.run(`update tokens set revoked_at = coalesce(revoked_at, ?3) where `+which, id, workspace, us(t.now))
	})
	if err != nil {
		return out, err
	}
	return one(ctx, s, "revoke token", scanToken, `select `+tokenCols+` from tokens where `+which, id, workspace)
}

// ValidTokens looks them all up at once.
func (s *Store) ValidTokens(ctx context.Context, hashes []string) ([]string, error) {
	return all(ctx, s, "check tokens", func(row scanner, hash *string) error { return row.Scan(hash) },
		`select hash from tokens where hash in (select value from json_each(?1)) and revoked_at is null and (expires_at is null or expires_at > ?2)`,
		list(hashes), us(s.now()))
}

// TokensInUse looks for one that the bootstrap did not make.
func (s *Store) TokensInUse(ctx context.Context) (bool, error) {
	return one(ctx, s, "look for tokens", func(row scanner, out *bool) error { return row.Scan(out) },
		`select exists (select 1 from tokens where kind = 'pwk' and name <> ? and revoked_at is null and (expires_at is null or expires_at > ?))`,
		store.BootstrapToken, us(s.now()))
}

// CreateToken stores a token's hash.
func (s *Store) CreateToken(ctx context.Context, token store.Token) error {
	return s.write(ctx, "create token", func(t *tx) error { return t.putToken(token) })
}

func (t *tx) putToken(k store.Token) error {
	if k.CreatedAt.IsZero() {
		k.CreatedAt = t.now
	}
	n, err := t.exec(`insert into tokens (hash, kind, role, name, workspace_id, worker_id, last_four, created_at, expires_at, revoked_at)
		values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
		k.Hash, k.Kind, k.Role, k.Name, k.Workspace, text(k.Worker), k.LastFour, us(k.CreatedAt), us(k.ExpiresAt), us(k.RevokedAt))
	if err == nil && n == 0 {
		err = store.ErrConflict
	}
	return err
}

// A use within this of the one on record is not written again.
const useNoted = 5 * time.Minute

// TokenByHash finds a valid token.
func (s *Store) TokenByHash(ctx context.Context, hash string) (store.Token, error) {
	now := s.now()
	k, err := one(ctx, s, "find token", scanToken, `select `+tokenCols+` from tokens where hash = ? and revoked_at is null and (expires_at is null or expires_at > ?)`, hash, us(now))
	if err != nil || now.Sub(k.LastUsedAt) < useNoted {
		return k, err
	}
	first := k.LastUsedAt.IsZero() && k.Replaces != ""
	k.LastUsedAt = now
	return k, s.write(ctx, "note use of token", func(t *tx) error {
		if first {
			if err := t.retire(k); err != nil {
				return err
			}
		}
		err := t.run(`update tokens set last_used_at = ? where hash = ?`, us(now), hash)
		return err
	})
}

// TokenRevoked looks for a token that was revoked.
func (s *Store) TokenRevoked(ctx context.Context, hash string) (bool, error) {
	return one(ctx, s, "look for a revoked token", func(row scanner, out *bool) error { return row.Scan(out) },
		`select exists (select 1 from tokens where hash = ? and revoked_at is not null)`, hash)
}
