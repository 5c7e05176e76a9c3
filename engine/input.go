package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"pipedai/storage"
	"pipedai/store"
)

// newInput decides where an input lives: small ones ride in the row, larger
// ones are in storage before the row that names them becomes visible. The text
// is kept as it came, to the byte.
func (e *Engine) newInput(ctx context.Context, path string, data json.RawMessage) (store.Input, error) {
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	if !json.Valid(data) {
		return store.Input{}, &InvalidError{Message: "Input is not valid JSON"}
	}
	if len(data) <= e.o.InlineLimit {
		return store.Input{Path: path, Data: data}, nil
	}
	if err := e.put(ctx, path, data); err != nil {
		return store.Input{}, err
	}
	return store.Input{Path: path}, nil
}

// storeInput writes an input that rides in the row to storage, where a worker
// is about to read it. Tasks of one run share an input and may be dispatched
// at the same time; it is written once.
func (e *Engine) storeInput(ctx context.Context, path string, data []byte) error {
	_, err, _ := e.placing.Do(path, func() (any, error) {
		// Others may be waiting for this write: it does not end with its first
		// caller, but it does end.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.DispatchTimeout)
		defer cancel()
		if err := e.put(ctx, path, data); err != nil {
			return nil, err
		}
		if err := e.store.MarkInputStored(ctx, path); err != nil {
			return nil, fmt.Errorf("note stored input: %w", err)
		}
		return nil, nil
	})
	return err
}

func (e *Engine) put(ctx context.Context, path string, data []byte) error {
	_, err := e.backend.Bucket.Put(ctx, path, bytes.NewReader(data), int64(len(data)), storage.ContentJSON)
	if err != nil {
		return fmt.Errorf("store input: %w", err)
	}
	return nil
}

// refused reports whether a step certainly changed nothing. After any other
// error it may have been committed, and what it names must stay.
func refused(err error) bool {
	return errors.Is(err, store.ErrMaintenance) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict)
}

// discard removes an input from storage whose run was not started.
func (e *Engine) discard(ctx context.Context, input store.Input) {
	if input.Data != nil {
		return // never left the row
	}
	if err := e.backend.Bucket.Delete(context.WithoutCancel(ctx), input.Path); err != nil {
		e.log.Warn("remove the input of a refused run", "path", input.Path, "error", err)
	}
}

// Open reads a stored object from the named backend; empty means the default
// one. An input that rides in the database is read from there until it is in
// storage. Errors are storage.ErrNotFound, storage.ErrBadPath, and
// store.ErrNotFound for a backend that is not configured.
func (e *Engine) Open(ctx context.Context, path, backend string) (io.ReadCloser, storage.Object, error) {
	b := e.backend
	if backend != "" {
		named, known := e.backends[backend]
		if !known {
			return nil, storage.Object{}, fmt.Errorf("storage backend %q: %w", backend, store.ErrNotFound)
		}
		b = named
	}
	clean, err := storage.CleanPath(path)
	if err != nil {
		return nil, storage.Object{}, fmt.Errorf("open %q: %w", path, err)
	}
	if b.Config.ID == e.backend.Config.ID && strings.HasSuffix(clean, "/input.json") {
		data, err := e.store.Input(ctx, clean)
		switch {
		case err == nil:
			object := storage.Object{Path: clean, Size: int64(len(data)), ContentType: storage.ContentJSON}
			return io.NopCloser(bytes.NewReader(data)), object, nil
		case !errors.Is(err, store.ErrNotFound):
			return nil, storage.Object{}, fmt.Errorf("read input: %w", err)
		}
	}
	r, object, err := b.Bucket.Get(ctx, clean)
	if err != nil {
		return nil, storage.Object{}, fmt.Errorf("open %q: %w", clean, err)
	}
	return r, object, nil
}
