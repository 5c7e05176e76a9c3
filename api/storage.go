package api

import "encoding/json"

// StorageContent answers GET /api/storage/{path} for a JSON object.
type StorageContent struct {
	Path    string          `json:"path"`
	Content json.RawMessage `json:"content"`
}

// StorageBackend is a configured place for objects, without its credentials.
type StorageBackend struct {
	ID        string `json:"id"`
	Provider  string `json:"provider"`
	Endpoint  string `json:"endpoint"`
	Bucket    string `json:"bucket"`
	Region    string `json:"region,omitempty"`
	IsDefault bool   `json:"isDefault"`
}

// StorageBackends answers GET /api/storage/backends, in the order of the
// configuration.
type StorageBackends struct {
	Backends []StorageBackend `json:"backends"`
	Default  string           `json:"default"`
}

// StorageObject is one object of a listing.
type StorageObject struct {
	Path        string `json:"path"`
	Size        int64  `json:"size"`
	ContentType string `json:"contentType,omitempty"`
	SHA256      string `json:"sha256,omitempty"`
	Modified    Time   `json:"modified"`
}

// StorageList answers GET /api/storage?prefix=: objects by path, at most limit.
// More follow when next is there: ask again with after=next.
type StorageList struct {
	Backend string          `json:"backend"`
	Prefix  string          `json:"prefix"`
	Objects []StorageObject `json:"objects"`
	Folders []string        `json:"folders,omitempty"` // with folders=1: what else begins under the prefix, each ends in a slash
	Next    string          `json:"next,omitempty"`
}
