package engine

import (
	"cmp"
	"encoding/json"
	"fmt"

	"pipedai/internal/memo"
	"pipedai/storage"
	"pipedai/store"
)

// placement is what the metadata of a run says of its objects. The engine
// writes it when the run is made; it holds for every attempt, whatever backend
// is the default by then.
type placement struct {
	Backend     string `json:"storageBackendId"`
	InputSHA256 string `json:"inputSha256,omitempty"` // of an input that is nowhere but in storage
}

func placementOf(metadata json.RawMessage) placement {
	return lastPlacement.Of(metadata, placementIn)
}

// lastPlacement: most runs say the same.
var lastPlacement memo.Last[placement]

func placementIn(metadata []byte) placement {
	var p placement
	if len(metadata) > len("{}") && json.Unmarshal(metadata, &p) != nil {
		return placement{}
	}
	return p
}

// placed returns the metadata of a new run, with where its objects are. What a
// caller gave under these names is replaced.
func placed(metadata json.RawMessage, p placement) (json.RawMessage, error) {
	var members map[string]any
	if len(metadata) > len("{}") {
		given := map[string]json.RawMessage{}
		if err := json.Unmarshal(metadata, &given); err != nil {
			return nil, &InvalidError{Message: "Metadata is not a JSON object"}
		}
		members = make(map[string]any, len(given)+2)
		for name, value := range given {
			members[name] = value
		}
	}
	if len(members) == 0 { // most, and cheaper than by way of a map
		out, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encode metadata: %w", err)
		}
		return out, nil
	}
	delete(members, "inputSha256")
	members["storageBackendId"] = p.Backend
	if p.InputSHA256 != "" {
		members["inputSha256"] = p.InputSHA256
	}
	out, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	return out, nil
}

// choose is the backend that a request names, or the default one.
func (e *Engine) choose(id string) (Backend, error) {
	b, known := e.backends[cmp.Or(id, e.backend.Config.ID)]
	if !known {
		return Backend{}, &InvalidError{Message: fmt.Sprintf("Storage backend '%s' is not configured", id)}
	}
	return b, nil
}

// backendOf is where the objects of an existing run are. Runs of an older
// engine do not say; they are where the default is.
func (e *Engine) backendOf(p placement) (Backend, error) {
	b, known := e.backends[cmp.Or(p.Backend, e.backend.Config.ID)]
	if !known {
		return Backend{}, fmt.Errorf("the storage backend '%s' of this run is not configured any more", p.Backend)
	}
	return b, nil
}

// tokenFormatKey is where the metadata of a service keeps which storage tokens
// its workers read.
const tokenFormatKey = "tokenFormat"

// TokenFormat returns the metadata of a service whose workers read tokens of
// that format; none for the default one.
func TokenFormat(f storage.Format) json.RawMessage {
	if f == "" || f == storage.FormatA {
		return nil
	}
	return json.RawMessage(fmt.Sprintf(`{%q:%q}`, tokenFormatKey, f))
}

func tokenFormatOf(s store.Service) storage.Format {
	var meta struct {
		Format storage.Format `json:"tokenFormat"`
	}
	if len(s.Metadata) > len("{}") && json.Unmarshal(s.Metadata, &meta) == nil && meta.Format.Valid() {
		return meta.Format
	}
	return storage.FormatA
}
