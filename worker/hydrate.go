package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"pipedai/api"
	"pipedai/storage"
)

// OpenBucket opens the place that a storage token names; storage/all.Open is
// one that knows every provider.
type OpenBucket func(ctx context.Context, cfg storage.Config) (storage.Bucket, error)

// maxDocument bounds an input and an output of an earlier task.
const maxDocument = 64 << 20

// hydrated is the environment of an attempt of a control plane: everything
// comes from a bucket.
type hydrated struct {
	bucket   storage.Bucket
	names    []string
	outputs  map[string]json.RawMessage
	assets   map[string]api.Asset
	onUpdate func(percent float64, message string)
	onAdd    func(ownAsset)
}

// inputOf is the input of an attempt.
func inputOf(ctx context.Context, bucket storage.Bucket, d api.Dispatch) (json.RawMessage, error) {
	if len(d.Input) > 0 {
		return d.Input, nil
	}
	input, err := document(ctx, bucket, d.InputPath, d.InputSHA256)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	return input, nil
}

// hydrate fetches what a handler can see at once besides: the outputs of
// earlier tasks. Their assets are fetched when they are asked for.
func hydrate(ctx context.Context, bucket storage.Bucket, d api.Dispatch) (*hydrated, error) {
	refs, err := orderedRefs(d.UpstreamRefs)
	if err != nil {
		return nil, err
	}
	h := &hydrated{bucket: bucket, outputs: map[string]json.RawMessage{}, assets: uploadAssets(d.TempUploads)}
	for _, ref := range refs {
		output, err := document(ctx, bucket, ref.OutputPath, ref.SHA256)
		if err != nil {
			return nil, fmt.Errorf("output of task %q: %w", ref.task, err)
		}
		h.names = append(h.names, ref.task)
		h.outputs[ref.task] = output
		for key, asset := range ref.Assets {
			h.assets[key] = asset // of equal keys the later task's wins
		}
	}
	return h, nil
}

// document reads a JSON object of storage and holds it against its hash, as
// far as one is known.
func document(ctx context.Context, bucket storage.Bucket, path, sum string) (json.RawMessage, error) {
	body, object, err := storage.Open(ctx, bucket, storage.Ref{Path: path, Size: -1, SHA256: sum})
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer body.Close()
	if object.Size > maxDocument {
		return nil, Fatal(api.CodeStorageUnreadable, "read %s: larger than %d MiB; pass large data as an asset", path, maxDocument>>20)
	}
	data, err := io.ReadAll(io.LimitReader(body, maxDocument+1))
	switch {
	case err != nil:
		return nil, unreadable(path, err)
	case !json.Valid(data):
		return nil, Fatal(api.CodeStorageUnreadable, "read %s: it is not JSON", path)
	}
	return data, nil
}

type namedRef struct {
	task string
	api.UpstreamRef
}

// orderedRefs reads the references in the order they are written: it decides
// which asset of equal keys wins.
func orderedRefs(raw json.RawMessage) ([]namedRef, error) {
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || string(trimmed) == "null" {
		return nil, nil
	}
	bad := func(err error) error {
		return Retryable(api.CodeInvalid, "the upstream references are malformed: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, bad(fmt.Errorf("not an object"))
	}
	var refs []namedRef
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, bad(err)
		}
		ref := namedRef{task: fmt.Sprint(name)}
		if err := decoder.Decode(&ref.UpstreamRef); err != nil {
			return nil, bad(err)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

func (h *hydrated) upstreamTasks() []string { return slices.Clone(h.names) }

func (h *hydrated) upstream(task string) (json.RawMessage, bool, error) {
	output, ok := h.outputs[task]
	return output, ok, nil
}

func (h *hydrated) assetKeys() []string { return sortedKeys(h.assets) }

func (h *hydrated) fetch(ctx context.Context, key, dest string) error {
	asset, ok := h.assets[key]
	if !ok {
		return errNoAsset
	}
	body, _, err := storage.Open(ctx, h.bucket, storage.Ref{Path: asset.Path, Size: asset.Size, SHA256: asset.SHA256})
	if err != nil {
		return unreadable(asset.Path, err)
	}
	defer body.Close()
	if _, err := writeFile(ctx, dest, body); err != nil {
		_ = os.Remove(dest)
		return unreadable(asset.Path, err)
	}
	return nil
}

// unreadable is why an attempt could not have an object. What was altered or
// is refused may be put right while the attempts go on.
func unreadable(path string, err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return &TaskError{Message: "File not found: " + path, Code: api.CodeStorageUnreadable, Retryable: true, Cause: err}
	}
	return Retryable(api.CodeStorageUnreadable, "read %s: %w", path, err)
}

func (h *hydrated) progress(percent float64, message string) { h.onUpdate(percent, message) }

func (h *hydrated) added(asset ownAsset) {
	if h.onAdd != nil {
		h.onAdd(asset)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
