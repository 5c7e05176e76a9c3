package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"pipedai/storage"
)

// List returns objects by prefix.
func (b *Bucket) List(ctx context.Context, prefix, after string, limit int) ([]storage.Object, error) {
	w := walk{ctx: ctx, fsys: b.root.FS(), prefix: prefix, after: after, limit: limit, found: []storage.Object{}}
	// Start in the deepest folder that the prefix names.
	start := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		clean, err := cleanPath(prefix[:i])
		if err != nil {
			return nil, err
		}
		start = clean
	}
	if err := w.folder(start); err != nil && !errors.Is(classify(err), storage.ErrNotFound) {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	return w.found, nil
}

// walk visits objects in ascending order of their whole path.
type walk struct {
	ctx    context.Context
	fsys   fs.FS
	prefix string
	after  string
	limit  int
	found  []storage.Object
}

func (w *walk) folder(name string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(w.fsys, name)
	if err != nil {
		return err
	}
	// A folder sorts as its name with the slash: "a-b" comes before "a/b".
	slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(sortName(x), sortName(y)) })
	for _, entry := range entries {
		if len(w.found) >= w.limit {
			return nil
		}
		full := path.Join(name, entry.Name())
		if full == tempFolder {
			continue
		}
		if entry.IsDir() {
			if related(full+"/", w.prefix) && (full+"/" > w.after || strings.HasPrefix(w.after, full+"/")) {
				if err := w.folder(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
			}
			continue
		}
		if !strings.HasPrefix(full, w.prefix) || full <= w.after {
			continue
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() { // went away, or is no object
			continue
		}
		w.found = append(w.found, describe(full, info))
	}
	return nil
}

func sortName(entry fs.DirEntry) string {
	if entry.IsDir() {
		return entry.Name() + "/"
	}
	return entry.Name()
}

// related reports whether something below folder can start with prefix.
func related(folder, prefix string) bool {
	return strings.HasPrefix(folder, prefix) || strings.HasPrefix(prefix, folder)
}
