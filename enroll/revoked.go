package enroll

import (
	"encoding/json"
	"strings"
	"time"

	"pipedai/internal/secret"
)

// memberRevoked was added for hosts whose control plane does not trust them any
// more: when they heard of it, by control plane and workspace. It goes with a new
// credential, which only a person brings.
const memberRevoked = "revoked"

// Host returns the credential that this host got when it joined a workspace;
// empty when there is none.
func (c Credentials) Host(apiURL, workspaceID string) secret.Text {
	if token := lookup(c.workspaces, apiURL)[workspaceID].Host; token != "" {
		return secret.Text(token)
	}
	// An older program left it there, for whichever workspace it was.
	token := secret.Text(lookup(c.operators, apiURL))
	for _, w := range lookup(c.workspaces, apiURL) {
		if w.Host == token.Reveal() {
			return ""
		}
	}
	if KindOf(token) != KindHost {
		return ""
	}
	return token
}

// Revoked is when this host heard that its credential for a workspace was
// revoked; zero when it was not, or another one came since.
func (c Credentials) Revoked(apiURL, workspaceID string) time.Time {
	return lookup(c.revoked, apiURL)[workspaceID]
}

// Revoke forgets a credential that a control plane has revoked, wherever the file
// has it, and notes when. It reports whether it was there: one that somebody
// replaced meanwhile is left alone.
func Revoke(path, apiURL, workspaceID string, token secret.Text, at time.Time) (bool, error) {
	if _, err := LoadCredentials(path); err != nil {
		return false, err
	}
	key := strings.TrimRight(apiURL, "/")
	found := false
	_, err := updateCredentials(path, func(members map[string]json.RawMessage, c Credentials) error {
		if found = c.Host(key, workspaceID).Equal(token); !found {
			return nil
		}
		if secret.Text(c.operators[key]).Equal(token) {
			delete(c.operators, key)
			if err := put(members, memberOperators, c.operators); err != nil {
				return err
			}
		}
		all, mine, err := workspaceMembers(members, key, workspaceID)
		if err != nil {
			return err
		}
		if secret.Text(c.workspaces[key][workspaceID].Host).Equal(token) {
			delete(mine, useHost)
			if err := put(members, memberWorkspaces, all); err != nil {
				return err
			}
		}
		return putRevoked(members, c, key, workspaceID, at)
	})
	return found && err == nil, err
}

// putRevoked notes a revocation, or, at the zero time, that there is none.
func putRevoked(members map[string]json.RawMessage, c Credentials, key, workspaceID string, at time.Time) error {
	kept := c.revoked
	if kept == nil {
		kept = map[string]map[string]time.Time{}
	}
	switch {
	case !at.IsZero():
		if kept[key] == nil {
			kept[key] = map[string]time.Time{}
		}
		kept[key][workspaceID] = at.UTC().Truncate(time.Millisecond)
	case kept[key][workspaceID].IsZero():
		return nil
	default:
		if delete(kept[key], workspaceID); len(kept[key]) == 0 {
			delete(kept, key)
		}
	}
	return put(members, memberRevoked, kept)
}
