package enroll

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pipedai/internal/secret"
)

// Kind is what a credential may do, told by its prefix.
type Kind string

// The kinds a host keeps.
const (
	KindHost    Kind = "host"          // hos_: this host's own, from connect
	KindKey     Kind = "workspace-key" // pwk_: an API key of a workspace
	KindPool    Kind = "pool-read"     // pop_: lists the workers of the pool
	KindUnknown Kind = "unknown"       // what older programs stored unchecked
)

// KindOf tells the kind of a token.
func KindOf(token secret.Text) Kind {
	for prefix, kind := range map[string]Kind{"hos_": KindHost, "pwk_": KindKey, "pop_": KindPool} {
		if strings.HasPrefix(token.Reveal(), prefix) {
			return kind
		}
	}
	return KindUnknown
}

// Stored is a credential as people may see it: never the token.
type Stored struct {
	APIURL      string `json:"apiUrl"`
	WorkspaceID string `json:"workspaceId,omitempty"` // empty: of every workspace that has none of its own
	Kind        Kind   `json:"kind"`
	InUse       bool   `json:"inUse"` // it is what requests are made with
}

// Tokens lists the credentials for control planes, in order. The slot of older
// programs is listed when it holds something of its own.
func (c Credentials) Tokens() []Stored {
	out := []Stored{}
	urls := map[string]bool{}
	for _, keys := range [][]string{slices.Collect(maps.Keys(c.operators)), slices.Collect(maps.Keys(c.workspaces)), slices.Collect(maps.Keys(c.pools))} {
		for _, url := range keys {
			urls[url] = true
		}
	}
	for _, url := range slices.Sorted(maps.Keys(urls)) {
		elsewhere := map[string]bool{}
		for _, id := range slices.Sorted(maps.Keys(c.workspaces[url])) {
			w := c.workspaces[url][id]
			for _, token := range []string{w.Host, w.Key} {
				if token != "" {
					elsewhere[token] = true
					out = append(out, Stored{url, id, KindOf(secret.Text(token)), token == w.token()})
				}
			}
		}
		if token := c.operators[url]; token != "" && !elsewhere[token] {
			out = append(out, Stored{url, "", KindOf(secret.Text(token)), true})
		}
		if token := c.pools[url]; token != "" {
			out = append(out, Stored{url, "", KindPool, true})
		}
	}
	return out
}

// PutOperator keeps the credential for a workspace of a control plane, a hos_
// or a pwk_, beside one of the other kind, and makes the local token if there
// is none. The slot that older programs read is written too, unless a host
// credential would replace an API key that a person stored there. An empty
// workspace means that slot alone.
func PutOperator(path, apiURL, workspaceID string, token secret.Text) error {
	return changeTokens(path, func(members map[string]json.RawMessage, c Credentials) error {
		key := strings.TrimRight(apiURL, "/")
		kind := KindOf(token)
		if kind == KindHost { // somebody let this host in again
			if err := putRevoked(members, c, key, workspaceID, time.Time{}); err != nil {
				return err
			}
		}
		if workspaceID != "" {
			all, mine, err := workspaceMembers(members, key, workspaceID)
			if err != nil {
				return err
			}
			place := useHost
			if kind == KindKey {
				place = useKey
			}
			if err := put(mine, place, token.Reveal()); err != nil {
				return err
			}
			if err := put(mine, "use", place); err != nil {
				return err
			}
			if err := put(members, memberWorkspaces, all); err != nil {
				return err
			}
		}
		if kind == KindHost && workspaceID != "" && KindOf(secret.Text(c.operators[key])) == KindKey {
			return nil
		}
		return putIn(members, memberOperators, c.operators, key, token)
	})
}

// PutPool keeps the token that lists the pool workers of a control plane.
func PutPool(path, apiURL string, token secret.Text) error {
	return changeTokens(path, func(members map[string]json.RawMessage, c Credentials) error {
		return putIn(members, memberPools, c.pools, strings.TrimRight(apiURL, "/"), token)
	})
}

// RemoveTokens forgets the credentials for a control plane, or for one
// workspace of it, and returns what they were. It creates no file.
func RemoveTokens(path, apiURL, workspaceID string) ([]Stored, error) {
	if _, err := LoadCredentials(path); err != nil {
		return nil, err
	}
	key := strings.TrimRight(apiURL, "/")
	var removed []Stored
	_, err := updateCredentials(path, func(members map[string]json.RawMessage, c Credentials) error {
		removed = nil
		for _, t := range c.Tokens() {
			if t.APIURL == key && (workspaceID == "" || t.WorkspaceID == workspaceID) {
				removed = append(removed, t)
			}
		}
		all, _, err := workspaceMembers(members, key, workspaceID)
		if err != nil {
			return err
		}
		gone := c.workspaces[key][workspaceID]
		operator := c.operators[key]
		if workspaceID == "" {
			delete(all, key)
			delete(c.operators, key)
			delete(c.pools, key)
		} else {
			delete(all[key], workspaceID)
			if len(all[key]) == 0 {
				delete(all, key)
			}
			if operator != "" && (operator == gone.Host || operator == gone.Key) {
				delete(c.operators, key)
			}
		}
		for name, value := range map[string]any{memberWorkspaces: all, memberOperators: c.operators, memberPools: c.pools} {
			if _, there := members[name]; !there {
				continue
			}
			if err := put(members, name, value); err != nil {
				return err
			}
		}
		return nil
	})
	return removed, err
}

// changeTokens is an update that leaves a local token behind.
func changeTokens(path string, change func(map[string]json.RawMessage, Credentials) error) error {
	_, err := updateCredentials(path, func(members map[string]json.RawMessage, c Credentials) error {
		if c.LocalToken.Empty() {
			if err := put(members, memberLocal, secret.New("oct").Reveal()); err != nil {
				return err
			}
		}
		return change(members, c)
	})
	if err != nil {
		return err
	}
	_, err = Protect(path)
	return err
}

func putIn(members map[string]json.RawMessage, name string, kept map[string]string, key string, token secret.Text) error {
	if kept == nil {
		kept = map[string]string{}
	}
	kept[key] = token.Reveal()
	return put(members, name, kept)
}

// workspaceMembers returns the workspaces in the file as they are written, with
// what a newer program may have added, and the members of one of them.
func workspaceMembers(members map[string]json.RawMessage, apiURL, workspaceID string) (all map[string]map[string]map[string]json.RawMessage, mine map[string]json.RawMessage, err error) {
	all = map[string]map[string]map[string]json.RawMessage{}
	if raw := members[memberWorkspaces]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &all); err != nil {
			return nil, nil, fmt.Errorf("read the workspaces of the credentials file: %w", err)
		}
	}
	if all == nil { // it said null
		all = map[string]map[string]map[string]json.RawMessage{}
	}
	if workspaceID == "" {
		return all, nil, nil
	}
	if all[apiURL] == nil {
		all[apiURL] = map[string]map[string]json.RawMessage{}
	}
	if all[apiURL][workspaceID] == nil {
		all[apiURL][workspaceID] = map[string]json.RawMessage{}
	}
	return all, all[apiURL][workspaceID], nil
}
