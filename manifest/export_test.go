package manifest

import (
	"context"
	"io/fs"
	"testing/fstest"
)

// OpenNext is Open of a later version of this program, with one more migration.
func OpenNext(ctx context.Context, path, name, statements string) (*Manifest, error) {
	files := fstest.MapFS{name: {Data: []byte("-- +goose Up\n" + statements + "\n-- +goose Down\nSELECT 1;\n")}}
	ours := migrations()
	names, err := fs.Glob(ours, "*.sql")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		data, err := fs.ReadFile(ours, n)
		if err != nil {
			return nil, err
		}
		files[n] = &fstest.MapFile{Data: data}
	}
	return open(ctx, path, files)
}

// LeastOf is what each migration of this program says, by number.
func LeastOf() (map[int64]int64, error) {
	out := map[int64]int64{}
	names, err := fs.Glob(migrations(), "*.sql")
	for _, n := range names {
		data, err := fs.ReadFile(migrations(), n)
		if err != nil {
			return nil, err
		}
		one, err := known(fstest.MapFS{n: {Data: data}})
		if err != nil {
			return nil, err
		}
		out[one.Version] = one.Least
	}
	return out, err
}
