package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"pipedai/api"
	"pipedai/internal/atomicfile"
	"pipedai/internal/localnet"
	"pipedai/internal/secret"
	"pipedai/store"
)

// state is the folder in which `pipeweave serve` keeps what it owns. No other
// file knows the names in it.
type state struct{ dir string }

// resolveState finds the folder: flag, then PIPEWEAVE_HOME, then the user's
// state folder. It creates nothing.
func resolveState(flag string, getenv func(string) string) (state, error) {
	dir := first(flag, getenv("PIPEWEAVE_HOME"))
	if dir == "" {
		base, err := stateHome(getenv)
		if err != nil {
			return state{}, err
		}
		dir = filepath.Join(base, "pipeweave")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return state{}, fmt.Errorf("state folder: %w", err)
	}
	return state{abs}, nil
}

func stateHome(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	switch runtime.GOOS {
	case "windows":
		if dir := getenv("LOCALAPPDATA"); dir != "" {
			return dir, nil
		}
	case "darwin":
		if home := getenv("HOME"); home != "" {
			return filepath.Join(home, "Library", "Application Support"), nil
		}
	default:
		if home := getenv("HOME"); home != "" {
			return filepath.Join(home, ".local", "state"), nil
		}
	}
	return "", errors.New("no home folder is known; pass --data-dir or set PIPEWEAVE_HOME")
}

func (s state) database() string   { return filepath.Join(s.dir, "pipeweave.db") }
func (s state) storage() string    { return filepath.Join(s.dir, "storage") }
func (s state) secretKey() string  { return filepath.Join(s.dir, "secret.key") }
func (s state) adminToken() string { return filepath.Join(s.dir, "admin.token") }
func (s state) serveInfo() string  { return filepath.Join(s.dir, "serve.json") }
func (s state) config() string     { return filepath.Join(s.dir, "config.yaml") }
func (s state) lockFile() string   { return filepath.Join(s.dir, "serve.lock") }

// make creates the folder for its owner alone.
func (s state) make() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	return nil
}

// errInUse says that another server has the folder.
var errInUse = errors.New("in use by another `pipeweave serve`")

// lock takes the folder for this process until release is called or the
// process ends. The folder exists.
func (s state) lock(ctx context.Context) (release func(), err error) {
	lock := flock.New(s.lockFile(), flock.SetPermissions(0o600))
	// A command that looks whether a server runs holds the lock for an instant.
	patience, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	held, err := lock.TryLockContext(patience, 25*time.Millisecond)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("lock %s: %w", s.dir, err)
	}
	if !held {
		info, err := s.readInfo()
		if err == nil && info.PID != 0 {
			return nil, fmt.Errorf("%s is %w (pid %d, %s)", s.dir, errInUse, info.PID, info.URL)
		}
		return nil, fmt.Errorf("%s is %w", s.dir, errInUse)
	}
	return func() { _ = lock.Unlock() }, nil // the process's end would do the same
}

// serveInfo is serve.json: where the server of this folder is.
type serveInfo struct {
	PID       int      `json:"pid"`
	URL       string   `json:"url"`
	Version   string   `json:"version"`
	StartedAt api.Time `json:"startedAt"`
}

func (s state) writeInfo(info serveInfo) error {
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fmt.Errorf("write serve.json: %w", err)
	}
	return atomicfile.Write(s.serveInfo(), append(data, '\n'), 0o600)
}

func (s state) readInfo() (serveInfo, error) {
	var info serveInfo
	data, err := os.ReadFile(s.serveInfo())
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(data, &info)
}

// running returns where this folder's server is. A file that outlived its
// server does not count: the lock tells.
func (s state) running() (serveInfo, error) {
	if _, err := os.Stat(s.lockFile()); err != nil {
		return serveInfo{}, err
	}
	probe := flock.New(s.lockFile())
	free, err := probe.TryRLock()
	if err != nil {
		return serveInfo{}, err
	}
	if free {
		_ = probe.Unlock() // only probed
		return serveInfo{}, fs.ErrNotExist
	}
	return s.readInfo()
}

// readSecret reads a file that holds one secret.
func readSecret(path string) (secret.Text, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", fmt.Errorf("read secret: %s is empty", path)
	}
	return secret.Text(text), nil
}

// sharedSecret returns the secret of this folder, made on first need.
func (s state) sharedSecret() (secret.Text, error) {
	known, err := readSecret(s.secretKey())
	if !errors.Is(err, fs.ErrNotExist) {
		return known, err
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand aborts the program instead
	made := hex.EncodeToString(raw[:])
	if err := atomicfile.Write(s.secretKey(), []byte(made+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep secret: %w", err)
	}
	return secret.Text(made), nil
}

func validURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// sameServer reports whether two addresses are the same server: equal, or the
// same port of this machine by another name.
func sameServer(a, b string) bool {
	first, err := url.Parse(a)
	if err != nil || b == "" {
		return false
	}
	second, err := url.Parse(b)
	if err != nil || first.Scheme != second.Scheme {
		return false
	}
	local := localnet.IsLoopback(first.Hostname()) && localnet.IsLoopback(second.Hostname())
	return first.Port() == second.Port() && (local || first.Hostname() == second.Hostname())
}

// listenURL is the address to print for a listener.
func listenURL(host string, port int) string {
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(port))
}

// newAdminToken makes the bootstrap token: its hash goes to the database, the
// token itself into a file that only the owner reads.
func (s state) newAdminToken(ctx context.Context, st store.Store) (secret.Text, error) {
	workspace, err := st.DefaultWorkspace(ctx)
	if err != nil {
		return "", err
	}
	token := secret.New("pwk")
	text := token.Reveal()
	// The file first: a hash nobody has the token of would help nobody.
	if err := atomicfile.Write(s.adminToken(), []byte(text+"\n"), 0o600); err != nil {
		return "", err
	}
	return token, st.CreateToken(ctx, store.Token{
		Hash: token.Hash(), Kind: "pwk", Role: "admin", Name: store.BootstrapToken,
		Workspace: workspace.ID, LastFour: text[len(text)-4:],
	})
}
