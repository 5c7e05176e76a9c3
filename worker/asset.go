package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"pipedai/storage"
)

// The types of an asset.
const (
	JSON   = storage.AssetJSON
	Text   = storage.AssetText
	Binary = storage.AssetBinary
)

// errNoAsset is wrapped by every "not found" of an asset.
var errNoAsset = errors.New("no such asset")

// ownAsset is an asset this attempt added, as a file in the scratch folder.
type ownAsset struct {
	key  string
	typ  storage.AssetType
	path string
	size int64
}

// ownAssets keeps them in the order they were added.
type ownAssets struct {
	dir   string
	mu    sync.Mutex
	items []ownAsset
}

func newOwnAssets(dir string) *ownAssets { return &ownAssets{dir: filepath.Join(dir, "assets")} }

func (a *ownAssets) find(key string) (ownAsset, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, item := range a.items {
		if item.key == key {
			return item, true
		}
	}
	return ownAsset{}, false
}

func (a *ownAssets) list() []ownAsset {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]ownAsset(nil), a.items...)
}

// AddAsset keeps data as an asset of this run and returns the file it is in
// for as long as the attempt runs. For JSON data is any value; for Text a
// string or []byte; for Binary []byte. Text and Binary also take an io.Reader,
// so that large data need not be in memory. A key that was used before is
// replaced. Keys are letters, digits, dot, dash and underscore.
func (c *Context) AddAsset(key string, typ storage.AssetType, data any) (string, error) {
	reader, err := assetReader(typ, data)
	if err != nil {
		return "", fmt.Errorf("add asset %q: %w", key, err)
	}
	return c.addAsset(key, typ, reader)
}

// AddAssetFromPath is AddAsset with the content of a file.
func (c *Context) AddAssetFromPath(key string, typ storage.AssetType, path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("add asset %q: %w", key, err)
	}
	defer file.Close()
	return c.addAsset(key, typ, file)
}

func (c *Context) addAsset(key string, typ storage.AssetType, r io.Reader) (string, error) {
	if err := storage.CheckAssetKey(key); err != nil {
		return "", Fatal("INVALID_ASSET", "add asset: %w", err)
	}
	if !typ.Valid() {
		return "", Fatal("INVALID_ASSET", "add asset %q: type %q is not json, text or binary", key, typ)
	}
	dest := filepath.Join(c.own.dir, key)
	size, err := writeFile(c, dest, r)
	if err != nil {
		return "", fmt.Errorf("add asset %q: %w", key, err)
	}
	asset := ownAsset{key: key, typ: typ, path: dest, size: size}
	c.own.put(asset)
	c.env.added(asset)
	return dest, nil
}

func (a *ownAssets) put(asset ownAsset) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.items {
		if a.items[i].key == asset.key {
			a.items[i] = asset
			return
		}
	}
	a.items = append(a.items, asset)
}

func assetReader(typ storage.AssetType, data any) (io.Reader, error) {
	if typ == JSON {
		encoded, err := json.MarshalIndent(data, "", "  ")
		return bytes.NewReader(encoded), err
	}
	switch data := data.(type) {
	case []byte:
		return bytes.NewReader(data), nil
	case string:
		return bytes.NewReader([]byte(data)), nil
	case io.Reader:
		return data, nil
	}
	return nil, fmt.Errorf("%s takes a string, []byte or io.Reader, not %T", typ, data)
}

// AssetKeys lists the assets of earlier tasks, ascending.
func (c *Context) AssetKeys() []string { return c.env.assetKeys() }

// Asset returns the content of an asset: this run's own, else that of an
// earlier task. See AssetPath for large ones.
func (c *Context) Asset(key string) ([]byte, error) {
	path, err := c.AssetPath(key)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("asset %q: %w", key, err)
	}
	return data, nil
}

// AssetPath returns a file with the content of an asset: this run's own, else
// that of an earlier task, fetched on first use and checked against the size
// and hash it was stored with.
func (c *Context) AssetPath(key string) (string, error) {
	if asset, ok := c.own.find(key); ok {
		return asset.path, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if path, ok := c.fetched[key]; ok {
		return path, nil
	}
	if err := storage.CheckAssetKey(key); err != nil {
		return "", fmt.Errorf("Asset '%s' not found", key)
	}
	dest := filepath.Join(c.facts.dir, "upstream-assets", key)
	if err := c.env.fetch(c, key, dest); err != nil {
		if errors.Is(err, errNoAsset) {
			return "", fmt.Errorf("Asset '%s' not found: %w", key, err)
		}
		return "", fmt.Errorf("asset %q: %w", key, err)
	}
	c.fetched[key] = dest
	return dest, nil
}

// writeFile copies r to a new file, replacing one of that name when it is
// whole.
func writeFile(ctx context.Context, dest string, r io.Reader) (size int64, err error) {
	if err := os.MkdirAll(filepath.Dir(dest), 0o700); err != nil {
		return 0, err
	}
	temp, err := os.CreateTemp(filepath.Dir(dest), ".new-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_ = temp.Close()
			_ = os.Remove(temp.Name())
		}
	}()
	if size, err = io.Copy(temp, &endingReader{ctx: ctx, r: r}); err != nil {
		return 0, err
	}
	if err = temp.Close(); err != nil {
		return 0, err
	}
	return size, os.Rename(temp.Name(), dest)
}

// endingReader ends a copy when the attempt is told to end.
type endingReader struct {
	ctx context.Context
	r   io.Reader
}

func (e *endingReader) Read(p []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.r.Read(p)
}
