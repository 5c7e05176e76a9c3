// Package storage is how engine and workers reach objects: inputs, outputs,
// assets and logs. The database holds only their paths and sizes; the bytes
// are here.
//
// A Bucket is one configured place. Each provider has a folder of its own, and
// storage/all opens any of them from a Config.
package storage

import (
	"context"
	"errors"
	"io"
)

// Errors a caller branches on; providers wrap them with the path.
var (
	// ErrNotFound says that there is no such object.
	ErrNotFound = errors.New("object not found")
	// ErrBadPath says that a path is not one an object can have.
	ErrBadPath = errors.New("bad object path")
)

// Bucket stores objects under slash-separated paths. It is safe for
// concurrent use. An object is visible whole or not at all: a write that
// fails or is cancelled leaves what was there before.
type Bucket interface {
	// Get opens an object; ErrNotFound when there is none.
	Get(ctx context.Context, path string) (io.ReadCloser, Object, error)
	// Put stores what r yields, replacing an object of that path. size is the
	// number of bytes r will yield, or -1 when it is not known.
	Put(ctx context.Context, path string, r io.Reader, size int64, contentType string) (Object, error)
	// Delete removes an object. Removing what is not there succeeds.
	Delete(ctx context.Context, path string) error
	// List returns the objects whose path starts with prefix, ascending, at
	// most limit.
	List(ctx context.Context, prefix string, limit int) ([]Object, error)
	// Close releases what the bucket holds open.
	Close() error
}

// Object describes a stored object.
type Object struct {
	Path        string
	Size        int64
	ContentType string
	SHA256      string // hex, when known: always after Put
}

// Config describes a place, as STORAGE_BACKENDS and storage tokens spell it.
type Config struct {
	ID          string      `json:"id"`
	Provider    string      `json:"provider"` // "local", "aws-s3", "gcs" or "minio"
	Endpoint    string      `json:"endpoint"`
	Bucket      string      `json:"bucket"`
	Region      string      `json:"region,omitempty"`
	Credentials Credentials `json:"credentials"`
}

// Credentials are the members of a Config's credentials, by the provider's
// own names. They print as *** and appear in JSON only inside a sealed token.
type Credentials map[string]string

// String hides the credentials.
func (Credentials) String() string { return "***" }

// GoString hides the credentials.
func (Credentials) GoString() string { return "***" }
