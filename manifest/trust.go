package manifest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"pipedai/internal/sqlitefile"
)

// PinReason is how a host came to believe a key.
type PinReason string

// The reasons.
const (
	PinnedAtEnrolment PinReason = "enrolled"  // the control plane gave it with the credentials
	PinnedAtFirstUse  PinReason = "first-use" // it was the first that was seen, over the same link
	PinnedByRotation  PinReason = "rotated"   // the key before it signed it
	PinnedByPerson    PinReason = "person"    // somebody on this host said so
)

// ReleaseKey is a key that a control plane's releases are, or were, believed
// by.
type ReleaseKey struct {
	APIURL    string // normalised
	KeyID     string
	PublicKey string // its text form
	How       PinReason
	PinnedAt  time.Time
	RetiredAt time.Time // zero: it is believed now
}

// SeenSequence is the highest number of a release that was believed.
type SeenSequence struct {
	APIURL   string
	Program  string
	Channel  string
	Sequence int64
	Version  string
	SeenAt   time.Time
}

// ErrPinned says that another key of the control plane is pinned than was
// thought.
var ErrPinned = errors.New("another release key of this control plane is pinned")

const keyColumns = `api_url, key_id, public_key, how, pinned_at, retired_at`

// PinnedKey returns the key that is believed for a control plane, or
// ErrNotFound when none was pinned yet.
func (m *Manifest) PinnedKey(ctx context.Context, apiURL string) (ReleaseKey, error) {
	k, err := scanKey(m.db.Reader.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM release_keys WHERE api_url = ? AND retired_at IS NULL`, apiURL))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return ReleaseKey{}, fmt.Errorf("release key of %s: %w", apiURL, sqlitefile.Classify(err))
	}
	return k, nil
}

// ReleaseKeys lists all that are or were believed, of each control plane the
// one that is believed now first.
func (m *Manifest) ReleaseKeys(ctx context.Context) ([]ReleaseKey, error) {
	return list(ctx, m, "release keys", scanKey, `SELECT `+keyColumns+` FROM release_keys
		ORDER BY api_url, retired_at IS NOT NULL, seq DESC`)
}

// PinKeys makes the last of keys the one that is believed for a control plane,
// and those before it what it came from, in one transaction. former is the id
// of the key that is believed so far, "" for none: ErrPinned when it is another.
// A key that takes the place of another counts releases anew: nothing that was
// signed before it is believed any more, so there is nothing to go back to.
func (m *Manifest) PinKeys(ctx context.Context, apiURL, former string, keys ...ReleaseKey) error {
	err := m.write(ctx, func(tx *sql.Tx) error {
		var have string
		err := tx.QueryRowContext(ctx, `SELECT key_id FROM release_keys WHERE api_url = ? AND retired_at IS NULL`, apiURL).Scan(&have)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if have != former {
			return ErrPinned
		}
		if former != "" {
			if _, err := tx.ExecContext(ctx, `DELETE FROM release_sequences WHERE api_url = ?`, apiURL); err != nil {
				return err
			}
		}
		for _, k := range keys {
			if k.PinnedAt.IsZero() {
				k.PinnedAt = time.Now()
			}
			if _, err := tx.ExecContext(ctx, `UPDATE release_keys SET retired_at = ? WHERE api_url = ? AND retired_at IS NULL`, toDB(k.PinnedAt), apiURL); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO release_keys (api_url, key_id, public_key, how, pinned_at) VALUES (?, ?, ?, ?, ?)`,
				apiURL, k.KeyID, k.PublicKey, k.How, toDB(k.PinnedAt)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("pin the release key of %s: %w", apiURL, err)
	}
	return nil
}

// ForgetTrust forgets the keys and the highest sequences of a control plane:
// the next key that is seen is pinned, and releases count from anew. With
// keepKeys only the sequences go.
func (m *Manifest) ForgetTrust(ctx context.Context, apiURL string, keepKeys bool) error {
	err := m.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM release_sequences WHERE api_url = ?`, apiURL); err != nil || keepKeys {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM release_keys WHERE api_url = ?`, apiURL)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget the release keys of %s: %w", apiURL, err)
	}
	return nil
}

// SeenSequence returns the highest believed one, or ErrNotFound.
func (m *Manifest) SeenSequence(ctx context.Context, apiURL, program, channel string) (SeenSequence, error) {
	s, err := scanSequence(m.db.Reader.QueryRowContext(ctx, `SELECT api_url, program, channel, sequence, version, seen_at FROM release_sequences
		WHERE api_url = ? AND program = ? AND channel = ?`, apiURL, program, channel))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return SeenSequence{}, fmt.Errorf("release sequence of %s: %w", apiURL, sqlitefile.Classify(err))
	}
	return s, nil
}

// SeenSequences lists them all.
func (m *Manifest) SeenSequences(ctx context.Context) ([]SeenSequence, error) {
	return list(ctx, m, "release sequences", scanSequence, `SELECT api_url, program, channel, sequence, version, seen_at FROM release_sequences
		ORDER BY api_url, program, channel`)
}

// NoteSequence raises the highest believed one; a lower one changes nothing.
func (m *Manifest) NoteSequence(ctx context.Context, s SeenSequence) error {
	if s.SeenAt.IsZero() {
		s.SeenAt = time.Now()
	}
	return m.exec(ctx, "note the sequence of a release", `INSERT INTO release_sequences (api_url, program, channel, sequence, version, seen_at)
		VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (api_url, program, channel) DO UPDATE
		SET sequence = excluded.sequence, version = excluded.version, seen_at = excluded.seen_at WHERE excluded.sequence > sequence`,
		s.APIURL, s.Program, s.Channel, s.Sequence, s.Version, toDB(s.SeenAt))
}

func scanKey(row interface{ Scan(...any) error }) (ReleaseKey, error) {
	var k ReleaseKey
	var pinnedAt int64
	var retiredAt sql.NullInt64
	err := row.Scan(&k.APIURL, &k.KeyID, &k.PublicKey, &k.How, &pinnedAt, &retiredAt)
	k.PinnedAt = fromDB(pinnedAt)
	if retiredAt.Valid {
		k.RetiredAt = fromDB(retiredAt.Int64)
	}
	return k, err
}

func scanSequence(row interface{ Scan(...any) error }) (SeenSequence, error) {
	var s SeenSequence
	var at int64
	err := row.Scan(&s.APIURL, &s.Program, &s.Channel, &s.Sequence, &s.Version, &at)
	s.SeenAt = fromDB(at)
	return s, err
}
