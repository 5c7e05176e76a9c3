package enroll

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"pipedai/api"
	"pipedai/internal/atomicfile"
	"pipedai/internal/hostdir"
)

// Pending is a pairing that waits for approval, as others on this host may see
// it. The code is no secret: it is on a screen, and approving takes an operator.
type Pending struct {
	APIURL    string   `json:"apiUrl"`
	UserCode  string   `json:"userCode"`
	URL       string   `json:"verificationUri"`
	ExpiresAt api.Time `json:"expiresAt"`
}

// WritePending leaves word of a pairing; clear takes it away again.
func WritePending(dir hostdir.Dir, p Pending) (clear func(), err error) {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode pairing.json: %w", err)
	}
	if err := atomicfile.Write(dir.Pairing(), data, 0o600); err != nil {
		return nil, err
	}
	return func() { _ = os.Remove(dir.Pairing()) }, nil // what stays expires
}

// ReadPending returns the pairing that waits now, if there is one. One that
// expired is none, whoever left it.
func ReadPending(dir hostdir.Dir) (Pending, bool) {
	data, err := os.ReadFile(dir.Pairing())
	var p Pending
	if err != nil || json.Unmarshal(data, &p) != nil || time.Now().After(p.ExpiresAt.Time) {
		return Pending{}, false
	}
	return p, true
}
