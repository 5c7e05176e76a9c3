// Package s3 keeps objects in a bucket of AWS S3, MinIO or another server that
// speaks S3.
//
// What fits one part is sent as one object, the rest as a multipart upload,
// which becomes visible when it is completed and is aborted when it is not.
// Every part is signed with its own hash, over TLS or not, so a byte that
// changes on the way is refused by the server.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"pipedai/storage"
	"pipedai/storage/internal/source"
)

const (
	amazon        = "https://s3.amazonaws.com"
	defaultRegion = "us-east-1"
	maxTries      = 6 // of one request, with growing pauses
)

// Bucket is one bucket of an S3 server.
type Bucket struct {
	name      string
	core      minio.Core
	transport http.RoundTripper
}

var _ storage.Bucket = (*Bucket)(nil)

// Open prepares to use the bucket that cfg names; it asks the server nothing.
// Providers are "aws-s3" (addressed as bucket.host) and "minio" (host/bucket).
// transport carries the requests; nil means one of its own.
func Open(cfg storage.Config, transport http.RoundTripper) (*Bucket, error) {
	opts, host, err := options(cfg)
	if err != nil {
		return nil, fmt.Errorf("open storage %q: %w", cfg.ID, err)
	}
	if transport == nil {
		if transport, err = minio.DefaultTransport(opts.Secure); err != nil {
			return nil, fmt.Errorf("open storage %q: %w", cfg.ID, err)
		}
	}
	opts.Transport = transport
	client, err := minio.New(host, &opts)
	if err != nil {
		return nil, fmt.Errorf("open storage %q: %w", cfg.ID, err)
	}
	return &Bucket{name: cfg.Bucket, core: minio.Core{Client: client}, transport: transport}, nil
}

// options reads a configuration. Its problems name members, never values of
// credentials.
func options(cfg storage.Config) (minio.Options, string, error) {
	fail := func(format string, args ...any) (minio.Options, string, error) {
		return minio.Options{}, "", fmt.Errorf(format, args...)
	}
	id, secret, lookup := "accessKeyId", "secretAccessKey", minio.BucketLookupDNS
	if cfg.Provider == "minio" {
		id, secret, lookup = "accessKey", "secretKey", minio.BucketLookupPath
	}
	for _, name := range []string{id, secret} {
		if cfg.Credentials[name] == "" {
			return fail("credentials.%s is missing", name)
		}
	}
	endpoint := cfg.Endpoint
	if endpoint == "" && cfg.Provider == "aws-s3" {
		endpoint = amazon
	}
	at, err := url.Parse(endpoint)
	if err != nil || at.Host == "" || (at.Scheme != "http" && at.Scheme != "https") {
		return fail("endpoint is not an http or https URL")
	}
	if at.User != nil || strings.Trim(at.Path, "/") != "" || at.RawQuery != "" {
		return fail("endpoint has more than a scheme, a host and a port")
	}
	if cfg.Bucket == "" {
		return fail("bucket is missing")
	}
	secure := at.Scheme == "https"
	// An address cannot have a name in front of it, and no certificate covers a
	// name with dots in front of its host.
	if net.ParseIP(at.Hostname()) != nil || secure && strings.Contains(cfg.Bucket, ".") {
		lookup = minio.BucketLookupPath
	}
	region := cfg.Region
	if region == "" {
		region = defaultRegion
	}
	return minio.Options{
		Creds:  credentials.NewStaticV4(cfg.Credentials[id], cfg.Credentials[secret], cfg.Credentials["sessionToken"]),
		Secure: secure, Region: region, BucketLookup: lookup, MaxRetries: maxTries,
	}, at.Host, nil
}

// Close ends idle connections.
func (b *Bucket) Close() error {
	if t, ok := b.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// Get opens an object.
func (b *Bucket) Get(ctx context.Context, path string) (io.ReadCloser, storage.Object, error) {
	return b.get(ctx, path, 0, -1)
}

// GetRange opens a part of an object.
func (b *Bucket) GetRange(ctx context.Context, path string, offset, length int64) (io.ReadCloser, storage.Object, error) {
	if offset < 0 {
		return nil, storage.Object{}, fmt.Errorf("get %s: %w", path, storage.ErrBadRange)
	}
	if length == 0 { // S3 has no word for it
		object, err := b.Stat(ctx, path)
		return http.NoBody, object, err
	}
	return b.get(ctx, path, offset, length)
}

func (b *Bucket) get(ctx context.Context, path string, offset, length int64) (io.ReadCloser, storage.Object, error) {
	path, err := storage.CleanPath(path)
	if err != nil {
		return nil, storage.Object{}, err
	}
	open := func(from int64, tag string) (io.ReadCloser, storage.Object, int64, error) {
		opts := minio.GetObjectOptions{}
		switch {
		case length > 0:
			opts.Set("Range", fmt.Sprintf("bytes=%d-%d", from, offset+length-1))
		case from > 0:
			opts.Set("Range", fmt.Sprintf("bytes=%d-", from))
		}
		if tag != "" {
			opts.Set("If-Match", `"`+tag+`"`)
		}
		body, info, header, err := b.core.GetObject(ctx, b.name, path, opts)
		if err = b.classify(ctx, err); err != nil {
			if errors.Is(err, storage.ErrExists) { // If-Match
				err = errors.New("it was replaced while it was read")
			}
			return nil, storage.Object{}, 0, fmt.Errorf("get %s: %w", path, err)
		}
		left := info.Size
		object := describe(path, info)
		if total, ok := wholeSize(header.Get("Content-Range")); ok {
			object.Size = total
		}
		return body, object, left, nil
	}
	body, object, left, err := open(offset, "")
	if err != nil {
		return nil, storage.Object{}, err
	}
	return source.Resume(ctx, body, left, func(read int64) (io.ReadCloser, error) {
		body, _, _, err := open(offset+read, object.Tag)
		return body, err
	}), object, nil
}

// wholeSize reads the size of the object from "bytes 0-1/2".
func wholeSize(contentRange string) (int64, bool) {
	var from, to, total int64
	n, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &from, &to, &total)
	return total, n == 3 && err == nil
}

// Stat describes an object.
func (b *Bucket) Stat(ctx context.Context, path string) (storage.Object, error) {
	path, err := storage.CleanPath(path)
	if err != nil {
		return storage.Object{}, err
	}
	info, err := b.core.StatObject(ctx, b.name, path, minio.StatObjectOptions{})
	if err != nil {
		return storage.Object{}, fmt.Errorf("stat %s: %w", path, b.classify(ctx, err))
	}
	return describe(path, info), nil
}

func describe(path string, info minio.ObjectInfo) storage.Object {
	return storage.Object{
		Path: path, Size: info.Size, ContentType: info.ContentType, SHA256: info.UserMetadata[metaSum],
		Modified: info.LastModified, Tag: strings.Trim(info.ETag, `"`),
	}
}

// Delete removes an object.
func (b *Bucket) Delete(ctx context.Context, path string) error {
	path, err := storage.CleanPath(path)
	if err != nil {
		return err
	}
	err = b.classify(ctx, b.core.RemoveObject(ctx, b.name, path, minio.RemoveObjectOptions{}))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", path, err)
	}
	return nil
}

// List returns objects by prefix, however many pages the server makes of them.
func (b *Bucket) List(ctx context.Context, prefix, after string, limit int) ([]storage.Object, error) {
	out := []storage.Object{}
	if limit <= 0 {
		return out, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := b.core.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{
		Prefix: prefix, StartAfter: after, Recursive: true, MaxKeys: min(limit, 1000),
	})
	for info := range found {
		if info.Err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, b.classify(ctx, info.Err))
		}
		if strings.HasSuffix(info.Key, "/") || info.Key <= after {
			continue // a folder that a console made, or a server that knows no start
		}
		out = append(out, describe(info.Key, info))
		if len(out) == limit {
			break
		}
	}
	return out, nil
}
