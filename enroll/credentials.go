package enroll

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"pipedai/internal/atomicfile"
	"pipedai/internal/hostdir"
	"pipedai/internal/secret"
)

// ErrNoCredentials says that the credentials file does not exist yet: nothing
// on this host needed one so far.
var ErrNoCredentials = errors.New("this host has no credentials yet")

// Credentials is what credentials.json holds. Members this program does not
// know survive every write.
type Credentials struct {
	// LocalToken opens the daemon's local API.
	LocalToken secret.Text

	operators  map[string]string                          // apiUrl -> token
	workspaces map[string]map[string]workspaceCredentials // apiUrl -> workspace -> tokens
	pools      map[string]string                          // apiUrl -> token
	revoked    map[string]map[string]time.Time            // apiUrl -> workspace -> when
}

// workspaceCredentials are the credentials of one workspace, each kind in a
// place of its own: connecting again does not cost a person the API key.
type workspaceCredentials struct {
	Host string `json:"host,omitempty"` // hos_
	Key  string `json:"key,omitempty"`  // pwk_
	Use  string `json:"use,omitempty"`  // the one that was stored last: "host" or "key"
}

const (
	useHost = "host"
	useKey  = "key"
)

func (c workspaceCredentials) token() string {
	if c.Use == useKey && c.Key != "" || c.Host == "" {
		return c.Key
	}
	return c.Host
}

// Operator returns the credential for one workspace of a control plane; empty
// when there is none. A credential of that very workspace goes before the one
// that older programs keep per control plane; of two kinds the one that was
// stored last counts.
func (c Credentials) Operator(apiURL, workspaceID string) secret.Text {
	if token := lookup(c.workspaces, apiURL)[workspaceID].token(); token != "" {
		return secret.Text(token)
	}
	return secret.Text(lookup(c.operators, apiURL))
}

// Pool returns the token that lists the pool workers of a control plane; empty
// when there is none.
func (c Credentials) Pool(apiURL string) secret.Text { return secret.Text(lookup(c.pools, apiURL)) }

// lookup finds what is kept for a control plane. Keys are written normalised;
// a manifest may spell the URL as it was typed.
func lookup[T any](kept map[string]T, apiURL string) (none T) {
	key := strings.TrimRight(apiURL, "/")
	if found, ok := kept[key]; ok {
		return found
	}
	if normal, err := NormalizeURL(key); err == nil {
		return kept[normal]
	}
	return none
}

// ControlPlanes lists the control planes this host holds a credential for.
func (c Credentials) ControlPlanes() []string {
	keys := map[string]bool{}
	for _, t := range c.Tokens() {
		keys[t.APIURL] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

// Secrets lists every token in the file, so that they can be kept out of
// other places.
func (c Credentials) Secrets() []secret.Text {
	out := []secret.Text{c.LocalToken}
	for _, kept := range []map[string]string{c.operators, c.pools} {
		for _, token := range kept {
			out = append(out, secret.Text(token))
		}
	}
	for _, workspaces := range c.workspaces {
		for _, w := range workspaces {
			out = append(out, secret.Text(w.Host), secret.Text(w.Key))
		}
	}
	return out
}

// The members of the file. workspaces was added beside operators, so that a
// second workspace of one control plane does not overwrite the first.
const (
	memberVersion    = "version"
	memberLocal      = "localToken"
	memberOperators  = "operators"
	memberPools      = "poolReadTokens"
	memberWorkspaces = "workspaces"
)

// LoadCredentials reads the file and creates nothing: ErrNoCredentials when
// there is none.
func LoadCredentials(path string) (Credentials, error) {
	if err := hostdir.Plain(path); err != nil {
		return Credentials{}, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Credentials{}, ErrNoCredentials
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("read credentials: %w", err)
	}
	_, creds, err := parseCredentials(path, data)
	return creds, err
}

// EnsureLocalToken returns the credentials, after making the file or the local
// token in it if either is missing. The file is tightened to its owner.
func EnsureLocalToken(path string) (Credentials, error) {
	creds, err := updateCredentials(path, func(members map[string]json.RawMessage, c Credentials) error {
		if !c.LocalToken.Empty() {
			return nil
		}
		return put(members, memberLocal, secret.New("oct").Reveal())
	})
	if err != nil {
		return Credentials{}, err
	}
	_, err = Protect(path)
	return creds, err
}

// ReplaceLocalToken puts a new local token into the file, which must be there.
// A daemon that runs takes it up when somebody comes with it.
func ReplaceLocalToken(path string) (Credentials, error) {
	if _, err := LoadCredentials(path); err != nil {
		return Credentials{}, err
	}
	creds, err := updateCredentials(path, func(members map[string]json.RawMessage, _ Credentials) error {
		return put(members, memberLocal, secret.New("oct").Reveal())
	})
	if err != nil {
		return Credentials{}, err
	}
	_, err = Protect(path)
	return creds, err
}

// Protect takes the file away from everybody but its owner, and reports
// whether others could read or write it before. Without a file it does nothing.
func Protect(path string) (wasOpen bool, err error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || runtime.GOOS == "windows" {
		return false, nil
	}
	if err == nil {
		err = hostdir.Plain(path)
	}
	if err != nil {
		return false, fmt.Errorf("look at credentials: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return false, nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return false, fmt.Errorf("protect credentials: %w", err)
	}
	return true, nil
}

func updateCredentials(path string, change func(map[string]json.RawMessage, Credentials) error) (Credentials, error) {
	if err := plain(path, path+".lock"); err != nil {
		return Credentials{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Credentials{}, fmt.Errorf("create state folder: %w", err)
	}
	var after Credentials
	err := atomicfile.Update(path, 0o600, func(old []byte) ([]byte, error) {
		members, creds, err := parseCredentials(path, old)
		if err != nil {
			return nil, err
		}
		if err := change(members, creds); err != nil {
			return nil, err
		}
		data, err := json.MarshalIndent(members, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encode credentials: %w", err)
		}
		if _, after, err = parseCredentials(path, data); err != nil {
			return nil, err
		}
		if old != nil && sameJSON(old, data) {
			return old, nil
		}
		return data, nil
	})
	return after, err
}

// parseCredentials reads the content; nil content is an empty file of the
// current version.
func parseCredentials(path string, data []byte) (map[string]json.RawMessage, Credentials, error) {
	members := map[string]json.RawMessage{}
	creds := Credentials{}
	if data == nil {
		members[memberVersion] = json.RawMessage("1")
		members[memberOperators] = json.RawMessage("{}")
		members[memberPools] = json.RawMessage("{}")
		return members, creds, nil
	}
	var typed struct {
		Version    int                                        `json:"version"`
		LocalToken string                                     `json:"localToken"`
		Operators  map[string]string                          `json:"operators"`
		Pools      map[string]string                          `json:"poolReadTokens"`
		Workspaces map[string]map[string]workspaceCredentials `json:"workspaces"`
		Revoked    map[string]map[string]time.Time            `json:"revoked"`
	}
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, creds, fmt.Errorf("%s is not valid JSON; repair it, or move it away and connect again", path)
	}
	if err := json.Unmarshal(data, &typed); err != nil {
		return nil, creds, fmt.Errorf("%s does not look like a credentials file; repair it, or move it away and connect again", path)
	}
	if typed.Version != 1 {
		return nil, creds, fmt.Errorf("%s has version %d, this program knows version 1; it was written by a newer program", path, typed.Version)
	}
	creds = Credentials{
		LocalToken: secret.Text(typed.LocalToken), operators: typed.Operators, pools: typed.Pools, workspaces: typed.Workspaces,
		revoked: typed.Revoked,
	}
	return members, creds, nil
}

func put(members map[string]json.RawMessage, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	members[name] = data
	return nil
}

// sameJSON compares without regard to spelling, so that a file is not
// rewritten only to reorder its members.
func sameJSON(a, b []byte) bool {
	var left, right map[string]any
	if json.Unmarshal(a, &left) != nil || json.Unmarshal(b, &right) != nil {
		return false
	}
	x, errX := json.Marshal(left)
	y, errY := json.Marshal(right)
	return errX == nil && errY == nil && string(x) == string(y)
}

// plain refuses files that are not plain ones of ours.
func plain(paths ...string) error {
	for _, path := range paths {
		if err := hostdir.Plain(path); err != nil {
			return err
		}
	}
	return nil
}
