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
	"time"
)

// Errors a caller branches on; providers wrap them with the path.
var (
	// ErrNotFound says that there is no such object.
	ErrNotFound = errors.New("object not found")
	// ErrBadPath says that a path is not one an object can have.
	ErrBadPath = errors.New("bad object path")
	// ErrExists says that PutNew found an object of that path.
	ErrExists = errors.New("object exists already")
	// ErrBadRange says that a range begins behind the end of the object.
	ErrBadRange = errors.New("range begins behind the end of the object")
	// ErrAltered says that an object is not what was stored: its size or its
	// SHA-256 differs.
	ErrAltered = errors.New("object is not what was stored")
	// ErrDenied says that the backend refuses the credentials.
	ErrDenied = errors.New("storage refuses the credentials")
	// ErrUnavailable says that the backend could not serve the request now, after
	// it was asked several times. Later it may.
	ErrUnavailable = errors.New("storage is not available")
)

// Bucket stores objects under slash-separated paths. It is safe for
// concurrent use. An object is visible whole or not at all: a write that
// fails or is cancelled leaves what was there before.
type Bucket interface {
	// Get opens an object; ErrNotFound when there is none. What it yields is not
	// verified: use Open.
	Get(ctx context.Context, path string) (io.ReadCloser, Object, error)
	// GetRange opens length bytes of an object from offset on, or fewer where it
	// ends; a negative length means all that follow. The Object describes the
	// whole. ErrBadRange when offset is not inside the object.
	GetRange(ctx context.Context, path string, offset, length int64) (io.ReadCloser, Object, error)
	// Stat describes an object; ErrNotFound when there is none.
	Stat(ctx context.Context, path string) (Object, error)
	// Put stores what r yields, replacing an object of that path. size is the
	// number of bytes r will yield, or -1 when it is not known.
	// The SHA-256 is stored with the object where the provider can and the bytes
	// are known before they are sent (r is an io.Seeker, or they are few); whoever
	// keeps the path should keep the returned hash beside it.
	Put(ctx context.Context, path string, r io.Reader, size int64, contentType string) (Object, error)
	// PutNew is Put for a path that has no object yet: of several writers one
	// wins, the others get ErrExists.
	PutNew(ctx context.Context, path string, r io.Reader, size int64, contentType string) (Object, error)
	// Delete removes an object. Removing what is not there succeeds.
	Delete(ctx context.Context, path string) error
	// List returns the objects whose path starts with prefix and comes after
	// after (empty: all of them), ascending by bytes, at most limit. Their content
	// type and SHA-256 may be missing.
	List(ctx context.Context, prefix, after string, limit int) ([]Object, error)
	// Close releases what the bucket holds open.
	Close() error
}

// Object describes a stored object.
type Object struct {
	Path        string
	Size        int64
	ContentType string
	SHA256      string    // hex, when known: always after Put
	Modified    time.Time // zero when not known, as after Put
	// Tag changes with the content; empty when not known, as after Put.
	Tag string
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
