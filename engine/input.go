package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"pipedai/storage"
	"pipedai/store"
)

// newInput decides where an input lives: small ones ride in the row, larger
// ones are in storage before the row that names them becomes visible. The text
// is kept as it came, to the byte. The placement is for the metadata of the run.
func (e *Engine) newInput(ctx context.Context, b Backend, path string, data json.RawMessage) (store.Input, placement, error) {
	p := placement{Backend: b.Config.ID}
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	if !json.Valid(data) {
		return store.Input{}, p, &InvalidError{Message: "Input is not valid JSON"}
	}
	if len(data) <= e.o.InlineLimit {
		return store.Input{Path: path, Data: data}, p, nil
	}
	object, err := e.put(ctx, b, path, data)
	if err != nil {
		return store.Input{}, p, err
	}
	p.InputSHA256 = object.SHA256
	return store.Input{Path: path}, p, nil
}

// storeInput writes an input that rides in the row to storage, where a worker
// is about to read it. Tasks of one run share an input and may be dispatched
// at the same time; it is written once.
func (e *Engine) storeInput(ctx context.Context, b Backend, path string, data []byte) error {
	_, err, _ := e.placing.Do(path, func() (any, error) {
		// Others may be waiting for this write: it does not end with its first
		// caller, but it does end.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.DispatchTimeout)
		defer cancel()
		if _, err := e.put(ctx, b, path, data); err != nil {
			return nil, err
		}
		if err := e.store.MarkInputStored(ctx, path); err != nil {
			return nil, fmt.Errorf("note stored input: %w", err)
		}
		return nil, nil
	})
	return err
}

func (e *Engine) put(ctx context.Context, b Backend, path string, data []byte) (storage.Object, error) {
	object, err := b.Bucket.Put(ctx, path, bytes.NewReader(data), int64(len(data)), storage.ContentJSON)
	if err != nil {
		return storage.Object{}, fmt.Errorf("store input: %w", err)
	}
	return object, nil
}

// refused reports whether a step certainly changed nothing. After any other
// error it may have been committed, and what it names must stay.
func refused(err error) bool {
	return errors.Is(err, store.ErrMaintenance) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict)
}

// discard removes an input from storage whose run was not started.
func (e *Engine) discard(ctx context.Context, b Backend, input store.Input) {
	if input.Data != nil {
		return // never left the row
	}
	if err := b.Bucket.Delete(context.WithoutCancel(ctx), input.Path); err != nil {
		e.log.Warn("remove the input of a refused run", "path", input.Path, "error", err)
	}
}
