package manifest

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"
)

// Settings are what one worker is given instead of the daemon's defaults; the
// zero value changes nothing. Secret values of the environment are not here:
// they are in a file beside its worker.json, see enroll.WorkerEnvFile.
type Settings struct {
	Dir       string            `json:"dir,omitempty"`       // absolute; "" is the folder of its worker.json
	Env       map[string]string `json:"env,omitempty"`       // for all to see
	AuthMode  string            `json:"authMode,omitempty"`  // as it was registered: "claude-max" or "api-key"
	StopGrace time.Duration     `json:"stopGrace,omitempty"` // ns; 0 is the daemon's default
	Restart   Restart           `json:"restart,omitzero"`
	Limits    Limits            `json:"limits,omitzero"`
}

// Restart is when a worker that ended by itself is started again; zero members
// are the supervisor's defaults.
type Restart struct {
	Backoff    []time.Duration `json:"backoff,omitempty"` // ns
	Stable     time.Duration   `json:"stable,omitempty"`  // ns
	Budget     int             `json:"budget,omitempty"`  // negative: for ever
	FinalCodes []int           `json:"finalCodes,omitempty"`
}

// Limits are what a worker with everything it starts may use; 0 is no limit.
type Limits struct {
	MemoryBytes int64   `json:"memoryBytes,omitempty"`
	CPU         float64 `json:"cpu,omitempty"` // in whole processors
	PIDs        int64   `json:"pids,omitempty"`
	NoFile      int64   `json:"nofile,omitempty"` // open files, of each process
}

// Bounds of settings, beyond which a number is a mistake.
const (
	MinMemoryBytes = 4 << 20
	maxCPU         = 4096
	minPIDs        = 2
	maxPIDs        = 4 << 20
	minNoFile      = 16
	maxNoFile      = 1 << 30
	maxStopGrace   = 24 * time.Hour
	maxBackoff     = 24 * time.Hour
	maxSteps       = 32
	maxBudget      = 1_000_000
	maxEnv         = 256
	maxEnvBytes    = 64 << 10
)

// reservedEnv are the names a worker's environment has its meaning from.
var reservedEnv = map[string]bool{
	"PIPEDAI_HOME": true, "PIPEDAI_LOCAL_RUN_EVENTS": true, "AUTH_MODE": true, "PIPEDAI_GENERATION": true,
	"PIPEDAI_OPERATOR_TOKEN": true, "PIPEDAI_CONNECT_TOKEN": true, "PIPEWEAVE_API_TOKEN": true,
}

// bad says what is wrong with a member.
func bad(member, format string, args ...any) error {
	return fmt.Errorf("%w: %s %s", ErrInvalid, member, fmt.Sprintf(format, args...))
}

// Validate names the first thing wrong with s, as the name of its member on
// the wire and a reason.
func (s Settings) Validate() error {
	if s.Dir != "" && !filepath.IsAbs(s.Dir) || strings.ContainsRune(s.Dir, 0) {
		return bad("dir", "%q is not an absolute path", s.Dir)
	}
	if err := ValidEnv("env", s.Env); err != nil {
		return err
	}
	switch s.AuthMode {
	case "", "claude-max", "claude_max", "api-key", "api_key":
	default:
		return bad("authMode", "%.40q is neither claude-max nor api-key", s.AuthMode)
	}
	if s.StopGrace < 0 || s.StopGrace > maxStopGrace {
		return bad("stopGraceMs", "must be between 0 and %s", maxStopGrace)
	}
	if err := s.Restart.validate(); err != nil {
		return err
	}
	return s.Limits.validate()
}

func (r Restart) validate() error {
	if len(r.Backoff) > maxSteps {
		return bad("restart.backoffMs", "has more than %d steps", maxSteps)
	}
	for _, d := range r.Backoff {
		if d < 0 || d > maxBackoff {
			return bad("restart.backoffMs", "must be between 0 and %s", maxBackoff)
		}
	}
	if r.Stable < 0 || r.Stable > maxBackoff {
		return bad("restart.stableMs", "must be between 0 and %s", maxBackoff)
	}
	if r.Budget < -1 || r.Budget > maxBudget {
		return bad("restart.budget", "must be between -1 (for ever) and %d", maxBudget)
	}
	if len(r.FinalCodes) > 256 {
		return bad("restart.finalCodes", "has more than 256 codes")
	}
	for _, code := range r.FinalCodes {
		if code < 0 || code > math.MaxUint32 {
			return bad("restart.finalCodes", "%d is not an exit code", code)
		}
	}
	return nil
}

func (l Limits) validate() error {
	switch {
	case l.MemoryBytes != 0 && l.MemoryBytes < MinMemoryBytes:
		return bad("limits.memoryBytes", "must be 0 (none) or at least %d", int64(MinMemoryBytes))
	case l.CPU != 0 && !(l.CPU >= 0.01 && l.CPU <= maxCPU): // written so that NaN is refused
		return bad("limits.cpu", "must be 0 (none) or between 0.01 and %d processors", maxCPU)
	case l.PIDs != 0 && (l.PIDs < minPIDs || l.PIDs > maxPIDs):
		return bad("limits.pids", "must be 0 (none) or between %d and %d", minPIDs, maxPIDs)
	case l.NoFile != 0 && (l.NoFile < minNoFile || l.NoFile > maxNoFile):
		return bad("limits.nofile", "must be 0 (none) or between %d and %d", minNoFile, maxNoFile)
	}
	return nil
}

// ValidEnv checks names and values that are to become environment variables.
// The error names the member of the wire and the variable, never a value.
func ValidEnv(member string, env map[string]string) error {
	if len(env) > maxEnv {
		return fmt.Errorf("%w: %s has more than %d variables", ErrInvalid, member, maxEnv)
	}
	for name, value := range env {
		switch {
		case !validEnvName(name):
			return fmt.Errorf("%w: %s: %.60q is not a name of an environment variable", ErrInvalid, member, name)
		case reservedEnv[strings.ToUpper(name)]:
			return fmt.Errorf("%w: %s: %s is set by this program", ErrInvalid, member, name)
		case strings.ContainsRune(value, 0) || len(value) > maxEnvBytes:
			return fmt.Errorf("%w: %s: the value of %s has a NUL in it or is longer than %d bytes", ErrInvalid, member, name, maxEnvBytes)
		}
	}
	return nil
}

func validEnvName(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (s Settings) encode() (string, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encode settings: %w", err)
	}
	return string(data), nil
}

// PutSettings replaces the settings of an entry; ErrNotFound, ErrInvalid.
func (m *Manifest) PutSettings(ctx context.Context, id string, s Settings) error {
	_, err := m.ChangeSettings(ctx, id, func(Settings) (Settings, error) { return s, nil })
	return err
}

// ChangeSettings changes the settings of an entry in one step, so that two
// changes at once both count. An error of change is returned and nothing is
// written; ErrNotFound, ErrInvalid.
func (m *Manifest) ChangeSettings(ctx context.Context, id string, change func(Settings) (Settings, error)) (Settings, error) {
	var out Settings
	err := m.write(ctx, func(tx *sql.Tx) error {
		e, err := scanEntry(tx.QueryRowContext(ctx, `SELECT `+entryColumns+` FROM entries WHERE id = ?`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if out, err = change(e.Settings); err != nil {
			return err
		}
		if err := out.Validate(); err != nil {
			return err
		}
		data, err := out.encode()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE entries SET settings = ? WHERE id = ?`, data, id)
		return err
	})
	if err != nil {
		return Settings{}, fmt.Errorf("settings of %q: %w", id, err)
	}
	return out, nil
}
