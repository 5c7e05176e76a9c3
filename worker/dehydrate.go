package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"pipedai/api"
	"pipedai/storage"
)

// dehydrate stores what an attempt made: the output, then the assets in the
// order they were added. It returns the report of success, without the log.
func dehydrate(ctx context.Context, bucket storage.Bucket, c *Context, output json.RawMessage) (api.CallbackRequest, error) {
	req := api.CallbackRequest{Status: "success", Attempt: c.facts.attempt, Assets: map[string]api.Asset{}}
	next, err := c.selected()
	if err != nil {
		return req, err
	}
	req.SelectedNext = next
	object, err := bucket.Put(ctx, storage.OutputPath(c.facts.pipeline, c.facts.wire),
		bytes.NewReader(output), int64(len(output)), storage.ContentJSON)
	if err != nil {
		return req, Retryable(api.CodeStorageUnreadable, "store the output: %w", err)
	}
	size := float64(object.Size)
	req.OutputPath, req.OutputSize, req.OutputSHA256 = object.Path, &size, object.SHA256
	for _, asset := range c.own.list() {
		stored, err := storeAsset(ctx, bucket, c, asset)
		if err != nil {
			return req, Retryable(api.CodeStorageUnreadable, "store asset %q: %w", asset.key, err)
		}
		req.Assets[asset.key] = stored
	}
	return req, nil
}

func storeAsset(ctx context.Context, bucket storage.Bucket, c *Context, asset ownAsset) (api.Asset, error) {
	file, err := os.Open(asset.path)
	if err != nil {
		return api.Asset{}, err
	}
	defer file.Close()
	path := storage.AssetPath(c.facts.pipeline, c.facts.wire, asset.key)
	object, err := bucket.Put(ctx, path, file, asset.size, asset.typ.ContentType())
	if err != nil {
		return api.Asset{}, err
	}
	return api.Asset{Path: object.Path, Size: object.Size, Type: string(asset.typ), SHA256: object.SHA256}, nil
}

// encodeOutput writes an output as it is stored: indented JSON.
func encodeOutput(output any) (json.RawMessage, error) {
	data, err := json.MarshalIndent(output, "", "  ")
	if err != nil {
		return nil, Fatal(CodeBadOutput, "the output cannot be written as JSON: %s", jsonProblem(err))
	}
	if len(data) > maxDocument {
		return nil, Fatal(CodeBadOutput, "the output is larger than %d MiB; store large data as an asset", maxDocument>>20)
	}
	return data, nil
}

// call runs the handler and turns a panic into a failure.
func call(c *Context, handler Handler) (output json.RawMessage, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &TaskError{
				Message: fmt.Sprintf("panic: %v", reason), Code: CodePanic, Retryable: true,
				Details: map[string]string{"stack": shorten(stack(), 16<<10)},
			}
		}
	}()
	result, err := handler(c)
	if err != nil {
		return nil, err
	}
	if _, err := c.selected(); err != nil {
		return nil, err
	}
	return encodeOutput(result)
}
