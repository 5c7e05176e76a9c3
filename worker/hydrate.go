package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

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

// hydrate fetches what a handler can see at once: the input and the outputs of
// earlier tasks. Their assets are fetched when they are asked for.
func hydrate(ctx context.Context, bucket storage.Bucket, d api.Dispatch) (json.RawMessage, *hydrated, error) {
	input := d.Input
	if len(input) == 0 {
		var err error
		if input, err = document(ctx, bucket, d.InputPath); err != nil {
			return nil, nil, fmt.Errorf("input: %w", err)
		}
	}
	refs, err := orderedRefs(d.UpstreamRefs)
	if err != nil {
		return nil, nil, err
	}
	h := &hydrated{bucket: bucket, outputs: map[string]json.RawMessage{}, assets: map[string]api.Asset{}}
	for _, ref := range refs {
		output, err := document(ctx, bucket, ref.OutputPath)
		if err != nil {
			return nil, nil, fmt.Errorf("output of task %q: %w", ref.task, err)
		}
		h.names = append(h.names, ref.task)
		h.outputs[ref.task] = output
		for key, asset := range ref.Assets {
			h.assets[key] = asset // of equal keys the later task's wins
		}
	}
	return input, h, nil
}

// document reads a JSON object of storage.
func document(ctx context.Context, bucket storage.Bucket, path string) (json.RawMessage, error) {
	body, object, err := bucket.Get(ctx, path)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, &TaskError{Message: "File not found: " + path, Code: api.CodeStorageUnreadable, Retryable: true, Cause: err}
	}
	if err != nil {
		return nil, Retryable(api.CodeStorageUnreadable, "read %s: %w", path, err)
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxDocument+1))
	switch {
	case err != nil:
		return nil, Retryable(api.CodeStorageUnreadable, "read %s: %w", path, err)
	case len(data) > maxDocument:
		return nil, Fatal(api.CodeStorageUnreadable, "read %s: larger than %d MiB; pass large data as an asset", path, maxDocument>>20)
	case object.Size > 0 && int64(len(data)) != object.Size:
		return nil, Retryable(api.CodeStorageUnreadable, "read %s: %d of %d bytes came", path, len(data), object.Size)
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
	body, object, err := h.bucket.Get(ctx, asset.Path)
	if err != nil {
		return Retryable(api.CodeStorageUnreadable, "read %s: %w", asset.Path, err)
	}
	defer body.Close()
	hash := sha256.New()
	// One byte more than announced is enough to see that it is too long.
	size, err := writeFile(ctx, dest, io.TeeReader(io.LimitReader(body, asset.Size+1), hash))
	if err != nil {
		return Retryable(api.CodeStorageUnreadable, "read %s: %w", asset.Path, err)
	}
	problem := ""
	if size != asset.Size {
		problem = fmt.Sprintf("it has not the %d bytes it was stored with", asset.Size)
	} else if sum := hex.EncodeToString(hash.Sum(nil)); object.SHA256 != "" && !strings.EqualFold(sum, object.SHA256) {
		problem = "its content is not what was stored"
	}
	if problem != "" {
		_ = os.Remove(dest)
		return Retryable(api.CodeStorageUnreadable, "read %s: %s", asset.Path, problem)
	}
	return nil
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
