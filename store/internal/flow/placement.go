package flow

import (
	"encoding/json"

	"pipedai/internal/memo"
)

// placement are the members of a run's metadata that say where its objects
// are and what its input must be.
type placement struct {
	Backend     string `json:"storageBackendId,omitempty"`
	InputSHA256 string `json:"inputSha256,omitempty"`
}

func backendOf(metadata json.RawMessage) string {
	var p placement
	_ = json.Unmarshal(metadata, &p) // it names none
	return p.Backend
}

// Placement picks from the metadata of a pipeline run what every task run of
// it inherits; nil for nothing. A claim then knows where the run's objects are
// without a look at the run.
func Placement(metadata json.RawMessage) json.RawMessage {
	return lastPlacement.Of(metadata, placementIn)
}

var lastPlacement memo.Last[json.RawMessage]

func placementIn(metadata []byte) json.RawMessage {
	var p placement
	if len(metadata) <= len("{}") || json.Unmarshal(metadata, &p) != nil || p == (placement{}) {
		return nil
	}
	out, err := json.Marshal(p)
	if err != nil {
		return nil // not reached: two strings
	}
	return out
}
