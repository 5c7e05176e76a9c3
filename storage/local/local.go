// Package local keeps objects as files below one folder.
//
// Every access goes through os.Root, so neither a path nor a symbolic link
// reaches outside that folder. An object becomes visible by a rename, after
// its bytes are on the disk; what a killed writer leaves lies in a folder of
// its own, is never listed, and is removed by a later Open. The SHA-256 is kept
// in an extended attribute of the file, where the file system has such.
package local

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pipedai/internal/bounded"
	"pipedai/storage"
)

// tempFolder holds writes that are not finished. No object may live there.
const tempFolder = ".incomplete"

// staleAfter is how old an unfinished write must be to be taken for dead.
const staleAfter = 24 * time.Hour

// Bucket is a folder of objects.
type Bucket struct {
	base string
	root *os.Root
}

var _ storage.Bucket = (*Bucket)(nil)

// Open opens the folder that cfg's credential basePath names, creating it when
// it is missing. A relative path is taken from the working directory, once:
// Config returns the absolute form.
func Open(cfg storage.Config) (*Bucket, error) {
	base := cfg.Credentials["basePath"]
	if base == "" {
		return nil, fmt.Errorf("open local storage %q: credentials.basePath is missing", cfg.ID)
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, fmt.Errorf("open local storage: %w", err)
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, fmt.Errorf("open local storage: %w", err)
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, fmt.Errorf("open local storage: %w", err)
	}
	b := &Bucket{base: base, root: root}
	b.removeStale(time.Now())
	return b, nil
}

// Base is the folder, absolute.
func (b *Bucket) Base() string { return b.base }

// Config returns cfg with the absolute base path, so that another process
// means the same folder by it.
func (b *Bucket) Config(cfg storage.Config) storage.Config {
	credentials := storage.Credentials{}
	for name, value := range cfg.Credentials {
		credentials[name] = value
	}
	credentials["basePath"] = b.base
	cfg.Credentials = credentials
	return cfg
}

// Close releases the folder.
func (b *Bucket) Close() error { return b.root.Close() }

// Get opens an object.
func (b *Bucket) Get(ctx context.Context, name string) (io.ReadCloser, storage.Object, error) {
	clean, err := cleanPath(name)
	if err != nil {
		return nil, storage.Object{}, err
	}
	if err := ctx.Err(); err != nil {
		return nil, storage.Object{}, err
	}
	file, info, err := b.open(clean)
	if err != nil {
		return nil, storage.Object{}, fmt.Errorf("get %s: %w", clean, classify(err))
	}
	object := describe(clean, info)
	object.SHA256 = noted(file)
	return file, object, nil
}

// open opens a file that is an object.
func (b *Bucket) open(clean string) (*os.File, fs.FileInfo, error) {
	file, err := b.root.Open(clean)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// GetRange opens a part of an object.
func (b *Bucket) GetRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, storage.Object, error) {
	body, object, err := b.Get(ctx, name)
	if err != nil {
		return nil, storage.Object{}, err
	}
	file := body.(*os.File)
	if offset < 0 || offset >= object.Size {
		_ = file.Close()
		return nil, storage.Object{}, fmt.Errorf("get %s: %w", object.Path, storage.ErrBadRange)
	}
	if length < 0 {
		length = object.Size
	}
	return &part{Reader: io.NewSectionReader(file, offset, min(length, object.Size-offset)), Closer: file}, object, nil
}

// part is a piece of an open file.
type part struct {
	io.Reader
	io.Closer
}

// Stat describes an object.
func (b *Bucket) Stat(ctx context.Context, name string) (storage.Object, error) {
	body, object, err := b.Get(ctx, name)
	if err != nil {
		return storage.Object{}, err
	}
	return object, body.Close()
}

// Put stores an object.
func (b *Bucket) Put(ctx context.Context, name string, r io.Reader, size int64, contentType string) (storage.Object, error) {
	return b.store(ctx, name, r, size, contentType, b.root.Rename)
}

// PutNew stores an object where there is none.
func (b *Bucket) PutNew(ctx context.Context, name string, r io.Reader, size int64, contentType string) (storage.Object, error) {
	return b.store(ctx, name, r, size, contentType, func(temp, clean string) error {
		// A link, unlike a rename, fails where the name is taken.
		err := b.root.Link(temp, clean)
		if errors.Is(err, fs.ErrExist) {
			return storage.ErrExists
		}
		if err == nil {
			err = b.root.Remove(temp)
		}
		return err
	})
}

func (b *Bucket) store(ctx context.Context, name string, r io.Reader, size int64, contentType string,
	place func(temp, clean string) error,
) (storage.Object, error) {
	clean, err := cleanPath(name)
	if err != nil {
		return storage.Object{}, err
	}
	object, err := b.put(ctx, clean, r, size, place)
	if err != nil {
		return storage.Object{}, fmt.Errorf("put %s: %w", clean, err)
	}
	if contentType != "" {
		object.ContentType = contentType
	}
	return object, nil
}

func (b *Bucket) put(ctx context.Context, clean string, r io.Reader, size int64, place func(temp, clean string) error) (_ storage.Object, err error) {
	if err := b.root.MkdirAll(tempFolder, 0o700); err != nil {
		return storage.Object{}, err
	}
	temp := tempFolder + "/" + rand.Text()
	file, err := b.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return storage.Object{}, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = b.root.Remove(temp)
		}
	}()
	hash := sha256.New()
	written, err := io.Copy(io.MultiWriter(file, hash), bounded.Reader(ctx, r))
	if err != nil {
		return storage.Object{}, err
	}
	if size >= 0 && written != size {
		return storage.Object{}, fmt.Errorf("%d bytes came, %d were announced", written, size)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	note(file, sum)
	if err := file.Sync(); err != nil {
		return storage.Object{}, err
	}
	if err := file.Close(); err != nil {
		return storage.Object{}, err
	}
	// The last look before the object becomes visible.
	if err := ctx.Err(); err != nil {
		return storage.Object{}, context.Cause(ctx)
	}
	if err := b.publish(temp, clean, place); err != nil {
		return storage.Object{}, err
	}
	return storage.Object{
		Path: clean, Size: written, ContentType: contentTypeOf(clean), SHA256: sum,
	}, nil
}

// publish gives temp its name, clean, and makes the name durable, with the folders
// it made on the way.
func (b *Bucket) publish(temp, clean string, place func(temp, clean string) error) error {
	folder := path.Dir(clean)
	_, err := b.root.Stat(folder)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		if err := b.root.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := place(temp, clean); err != nil {
		return err
	}
	for {
		if err := b.syncFolder(folder); err != nil {
			return err
		}
		if !fresh || folder == "." {
			return nil
		}
		folder = path.Dir(folder)
	}
}

// Delete removes an object.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	clean, err := cleanPath(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := b.root.Lstat(clean)
	if err == nil && info.IsDir() { // a folder is no object
		return nil
	}
	if err == nil {
		err = b.root.Remove(clean)
	}
	if err = classify(err); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", clean, err)
	}
	return nil
}

func describe(name string, info fs.FileInfo) storage.Object {
	return storage.Object{
		Path: name, Size: info.Size(), ContentType: contentTypeOf(name), Modified: info.ModTime(),
		Tag: strconv.FormatInt(info.ModTime().UnixNano(), 36) + "-" + strconv.FormatInt(info.Size(), 36),
	}
}

// contentTypeOf guesses from the name: files carry no content type.
func contentTypeOf(name string) string {
	switch path.Ext(name) {
	case ".json":
		return storage.ContentJSON
	case ".jsonl", ".ndjson":
		return storage.ContentNDJSON
	case ".txt", ".md", ".csv":
		return storage.ContentText
	default:
		return storage.ContentBinary
	}
}

func cleanPath(name string) (string, error) {
	clean, err := storage.CleanPath(name)
	if err != nil {
		return "", err
	}
	if clean == tempFolder || strings.HasPrefix(clean, tempFolder+"/") {
		return "", fmt.Errorf("%w %q: reserved", storage.ErrBadPath, name)
	}
	return clean, nil
}

// classify tells "not there" from other faults. A file where the path needs a
// folder means not there, too.
func classify(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return storage.ErrNotFound
	}
	return err
}

// removeStale removes what killed writers left. It is best effort: a leftover
// costs disk space, nothing else.
func (b *Bucket) removeStale(now time.Time) {
	entries, err := fs.ReadDir(b.root.FS(), tempFolder)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && now.Sub(info.ModTime()) > staleAfter {
			_ = b.root.Remove(tempFolder + "/" + entry.Name())
		}
	}
}
