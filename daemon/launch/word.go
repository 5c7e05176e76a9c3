package launch

import (
	"encoding/json"
	"fmt"
	"os"

	"pipedai/api"
)

// Protocol is the number of the agreement between a daemon and the version that
// it tries: this file's Order and Word, and the environment below. A version that
// prints none cannot be tried.
const Protocol = 1

// What a program finds in its environment. Neither reaches a worker.
const (
	// BecomeEnv names the installed program to the version that it became.
	BecomeEnv = "PIPEDAI_INSTALLED"
	// TrialEnv is set for a version that is only tried.
	TrialEnv = "PIPEDAI_TRIAL"
)

// Origin is the installed program that a running version stands in for.
type Origin struct {
	Program string `json:"program"`
	Version string `json:"version"`
}

// Env is the entry of the environment that tells a version where it comes from.
func (o Origin) Env() string {
	data, err := json.Marshal(o)
	if err != nil {
		panic(err) // two texts
	}
	return BecomeEnv + "=" + string(data)
}

// ReadOrigin finds out what this process stands in for, and takes it out of the
// environment; false when it is the installed program itself.
func ReadOrigin(getenv func(string) string) (Origin, bool) {
	text := getenv(BecomeEnv)
	_ = os.Unsetenv(BecomeEnv) // a name that is set can be unset
	var o Origin
	if text == "" || json.Unmarshal([]byte(text), &o) != nil || o.Program == "" {
		return Origin{}, false
	}
	return o, true
}

// Link is one control plane that must be reached, as far as the daemon reaches
// it.
type Link struct {
	APIURL      string `json:"apiUrl"`
	WorkspaceID string `json:"workspaceId,omitempty"`
	Pool        bool   `json:"pool,omitempty"`
}

// Order is what a version that is tried is told on its standard input, in one
// line. The input ends when it has to let go.
type Order struct {
	Links   []Link `json:"links"`   // that the daemon reached
	Workers []Proc `json:"workers"` // that ran when the daemon let go
}

// Proc is the process of a worker.
type Proc struct {
	ID  string `json:"id"`
	PID int    `json:"pid"`
}

// Stage is how far a version has come. It tells each on its standard output, a
// line of JSON each.
type Stage string

// The stages, in order.
const (
	StageLocked   Stage = "locked"   // it has the lock and the port
	StageManifest Stage = "manifest" // it opened the manifest
	StageWorkers  Stage = "workers"  // it watches the workers
	StageWaiting  Stage = "waiting"  // some control plane does not answer yet
	StageHealthy  Stage = "healthy"  // all is well
	StageFailed   Stage = "failed"   // it cannot do
)

// Word is one line of a version that is tried.
type Word struct {
	Stage   Stage    `json:"stage"`
	Version string   `json:"version,omitempty"` // which it is
	Workers []Proc   `json:"workers,omitempty"` // that it watches
	Error   string   `json:"error,omitempty"`   // what is in the way
	At      api.Time `json:"at"`
}

// About is what a program says of itself with "version --json".
type About struct {
	Version string `json:"version"`
	// Trial is the Protocol it speaks; 0 when it cannot be tried.
	Trial int `json:"trial"`
	// Manifest is the schema it writes, and the least that a program must know to
	// work with that.
	Manifest struct {
		Version int64 `json:"version"`
		Least   int64 `json:"least"`
	} `json:"manifest"`
}

// ParseAbout reads what a program said of itself.
func ParseAbout(data []byte) (About, error) {
	var a About
	if err := json.Unmarshal(data, &a); err != nil || a.Version == "" {
		return About{}, fmt.Errorf("what it says of its version cannot be read: %.200q", data)
	}
	return a, nil
}
