package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"pipedai/pipeline"
	"pipedai/storage"
	"pipedai/store"
)

// Stored is an object that can be read. Its SHA256 is what the run that it
// belongs to recorded, where it did.
type Stored struct {
	storage.Object
	Backend string

	bucket storage.Bucket
	data   []byte // of an input that rides in the database
}

// Stat finds an object by its path. It is looked for in the named backend, or
// else in that of the run which the path is about, or else in the default one;
// an input that rides in the database is found there. Errors are
// storage.ErrNotFound, storage.ErrBadPath, storage.ErrAltered for an object
// whose size is not the recorded one, and store.ErrNotFound for a backend that
// is not configured.
func (e *Engine) Stat(ctx context.Context, path, backend string) (Stored, error) {
	clean, err := storage.CleanPath(path)
	if err != nil {
		return Stored{}, fmt.Errorf("find %q: %w", path, err)
	}
	own, ref, err := e.recorded(ctx, clean)
	if err != nil {
		return Stored{}, fmt.Errorf("find the run of %q: %w", clean, err)
	}
	at := e.backend
	if own != "" {
		if known, ok := e.backends[own]; ok {
			at = known
		}
	}
	elsewhere := false // an object of the same name is meant
	if backend != "" {
		named, known := e.backends[backend]
		if !known {
			return Stored{}, fmt.Errorf("storage backend %q: %w", backend, store.ErrNotFound)
		}
		if elsewhere = named.Config.ID != at.Config.ID; elsewhere {
			at, ref = named, storage.Ref{Path: clean, Size: -1}
		}
	}
	if !elsewhere && strings.HasSuffix(clean, "/input.json") {
		data, err := e.store.Input(ctx, clean)
		switch {
		case err == nil:
			sum := sha256.Sum256(data)
			return Stored{Backend: at.Config.ID, data: data, Object: storage.Object{
				Path: clean, Size: int64(len(data)), ContentType: storage.ContentJSON, SHA256: hex.EncodeToString(sum[:]),
			}}, nil
		case !errors.Is(err, store.ErrNotFound):
			return Stored{}, fmt.Errorf("read input: %w", err)
		}
	}
	object, err := at.Bucket.Stat(ctx, clean)
	if err != nil {
		return Stored{}, fmt.Errorf("find %q: %w", clean, err)
	}
	if ref.Size >= 0 && ref.Size != object.Size {
		return Stored{}, fmt.Errorf("find %q: %w: it has %d bytes and not the %d it was stored with", clean, storage.ErrAltered, object.Size, ref.Size)
	}
	if ref.SHA256 != "" {
		object.SHA256 = ref.SHA256
	}
	return Stored{Object: object, Backend: at.Config.ID, bucket: at.Bucket}, nil
}

// Open reads the whole object and verifies it on the way, see storage.Open.
func (s Stored) Open(ctx context.Context) (io.ReadCloser, error) {
	if s.data != nil {
		return io.NopCloser(bytes.NewReader(s.data)), nil
	}
	body, _, err := storage.Open(ctx, s.bucket, storage.Ref{Path: s.Path, Size: s.Size, SHA256: s.SHA256})
	return body, err
}

// OpenRange reads length bytes from offset on; a negative length reads to the
// end. A part cannot be verified.
func (s Stored) OpenRange(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if s.data == nil {
		body, _, err := s.bucket.GetRange(ctx, s.Path, offset, length)
		return body, err
	}
	size := int64(len(s.data))
	if offset < 0 || offset >= size {
		return nil, storage.ErrBadRange
	}
	if length < 0 || length > size-offset {
		length = size - offset
	}
	return io.NopCloser(bytes.NewReader(s.data[offset : offset+length])), nil
}

// ListObjects lists objects of a backend (empty: the default one), see
// storage.Bucket. store.ErrNotFound for a backend that is not configured.
func (e *Engine) ListObjects(ctx context.Context, backend, prefix, after string, limit int) ([]storage.Object, error) {
	b := e.backend
	if backend != "" {
		named, known := e.backends[backend]
		if !known {
			return nil, fmt.Errorf("storage backend %q: %w", backend, store.ErrNotFound)
		}
		b = named
	}
	return b.Bucket.List(ctx, prefix, after, limit)
}

// PutObject streams an object of that size into the default backend, whose id
// it returns. A body that fails leaves what was there before.
func (e *Engine) PutObject(ctx context.Context, path string, body io.Reader, size int64, contentType string) (backend string, err error) {
	clean, err := storage.CleanPath(path)
	if err == nil {
		_, err = e.backend.Bucket.Put(ctx, clean, body, size, contentType)
	}
	if err != nil {
		return "", fmt.Errorf("store %q: %w", path, err)
	}
	return e.backend.Config.ID, nil
}

// recorded is what the store knows of an object by its path: the backend of
// the run it belongs to, and what it must hash to. Paths that workers chose
// otherwise are known to nobody, and that is no error.
func (e *Engine) recorded(ctx context.Context, path string) (backend string, ref storage.Ref, err error) {
	ref = storage.Ref{Path: path, Size: -1}
	parts := strings.Split(path, "/")
	var run pipeline.RunID
	var task pipeline.TaskRunID
	for i, part := range parts[:len(parts)-1] {
		switch {
		case i > 0 && strings.HasPrefix(part, "prun_"):
			run = pipeline.RunID(part)
		case i > 0 && strings.HasPrefix(part, "trun_"):
			task, _ = pipeline.ParseWire(part)
		}
	}
	if name, _, ok := strings.Cut(parts[len(parts)-1], ".json"); ok && strings.HasPrefix(name, "trun_") {
		task, _ = pipeline.ParseWire(name) // outputs/<task run>.json, logs/<task run>.jsonl
	}
	if task != "" {
		t, err := e.store.TaskRun(ctx, task)
		if errors.Is(err, store.ErrNotFound) {
			return "", ref, nil
		}
		place := placementOf(t.Metadata)
		switch path {
		case t.OutputPath:
			ref.SHA256 = t.OutputSHA256
		case t.InputPath:
			ref.SHA256 = place.InputSHA256
		}
		for _, asset := range t.Assets {
			if asset.Path == path {
				ref.SHA256, ref.Size = asset.SHA256, asset.Size
			}
		}
		return place.Backend, ref, err
	}
	if run != "" {
		r, err := e.store.PipelineRun(ctx, run)
		if errors.Is(err, store.ErrNotFound) {
			return "", ref, nil
		}
		place := placementOf(r.Metadata)
		if path == r.InputPath {
			ref.SHA256 = place.InputSHA256
		}
		return place.Backend, ref, err
	}
	return "", ref, nil
}
