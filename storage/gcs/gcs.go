// Package gcs keeps objects in a bucket of Google Cloud Storage, with the
// credentials of a service account.
//
// It speaks the JSON API for everything but reading, where the XML API answers
// with bytes and metadata at once. What fits one request is sent as one, the
// rest over a resumable session, which is visible when it is complete and ended
// when it is not.
package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"pipedai/storage"
	"pipedai/storage/internal/source"
)

const (
	google   = "https://storage.googleapis.com"
	tokenURL = "https://oauth2.googleapis.com/token" //nolint:gosec // an address, no token
	scope    = "https://www.googleapis.com/auth/devstorage.read_write"
)

// Bucket is one bucket.
type Bucket struct {
	endpoint string
	name     string
	http     *http.Client // adds the token
	base     http.RoundTripper
}

var _ storage.Bucket = (*Bucket)(nil)

// Open prepares to use the bucket that cfg names; it asks the server nothing.
// The endpoint is Google's unless another is given. transport carries the
// requests; nil means one of its own.
func Open(cfg storage.Config, transport http.RoundTripper) (*Bucket, error) {
	fail := func(what string) (*Bucket, error) { return nil, fmt.Errorf("open storage %q: %s", cfg.ID, what) }
	email, key := cfg.Credentials["clientEmail"], cfg.Credentials["privateKey"]
	switch {
	case email == "":
		return fail("credentials.clientEmail is missing")
	case !strings.Contains(key, "PRIVATE KEY"):
		return fail("credentials.privateKey is not a key in PEM")
	case cfg.Bucket == "":
		return fail("bucket is missing")
	}
	endpoint := strings.TrimRight(cfg.Endpoint, "/")
	if endpoint == "" {
		endpoint = google
	}
	if at, err := url.Parse(endpoint); err != nil || at.Host == "" || at.User != nil || (at.Scheme != "http" && at.Scheme != "https") {
		return fail("endpoint is not an http or https URL")
	}
	from := cfg.Credentials["tokenUri"]
	if from == "" {
		from = tokenURL
	}
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.ResponseHeaderTimeout, own.MaxIdleConnsPerHost = time.Minute, 16
		transport = own
	}
	account := &jwt.Config{
		Email: email, Scopes: []string{scope}, TokenURL: from,
		// Environment variables hold keys with their line ends spelled out.
		PrivateKey: []byte(strings.ReplaceAll(key, `\n`, "\n")),
	}
	// The token source lives as long as the bucket, longer than any request.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: transport, Timeout: time.Minute})
	return &Bucket{
		endpoint: endpoint, name: cfg.Bucket, base: transport,
		http: &http.Client{Transport: &oauth2.Transport{Source: account.TokenSource(ctx), Base: transport}},
	}, nil
}

// Close ends idle connections.
func (b *Bucket) Close() error {
	if t, ok := b.base.(interface{ CloseIdleConnections() }); ok {
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
	if length == 0 { // HTTP has no word for it
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
	open := func(from int64, generation string) (io.ReadCloser, storage.Object, int64, error) {
		r := request{method: http.MethodGet, url: b.endpoint + "/" + url.PathEscape(b.name) + "/" + escape(path), header: http.Header{}}
		// Bytes as they are stored, also of what somebody stored compressed.
		r.header.Set("Accept-Encoding", "gzip")
		switch {
		case length > 0:
			r.header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, offset+length-1))
		case from > 0:
			r.header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		}
		if generation != "" {
			r.url += "?generation=" + url.QueryEscape(generation)
		}
		resp, err := b.do(ctx, r)
		if err != nil {
			return nil, storage.Object{}, 0, fmt.Errorf("get %s: %w", path, err)
		}
		return resp.Body, fromHeader(path, resp), resp.ContentLength, nil
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

func fromHeader(path string, resp *http.Response) storage.Object {
	h := resp.Header
	object := storage.Object{
		Path: path, Size: resp.ContentLength, ContentType: h.Get("Content-Type"),
		SHA256: h.Get("X-Goog-Meta-" + metaSum), Tag: h.Get("X-Goog-Generation"),
	}
	if _, total, ok := strings.Cut(h.Get("Content-Range"), "/"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil {
			object.Size = n
		}
	}
	object.Modified, _ = http.ParseTime(h.Get("Last-Modified"))
	return object
}

// resource is what the JSON API says of an object.
type resource struct {
	Name        string            `json:"name"`
	Size        string            `json:"size,omitempty"`
	ContentType string            `json:"contentType,omitempty"`
	Generation  string            `json:"generation,omitempty"`
	Updated     time.Time         `json:"updated,omitzero"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

func (r resource) object() storage.Object {
	size, err := strconv.ParseInt(r.Size, 10, 64)
	if err != nil {
		size = 0 // it leaves out a zero
	}
	return storage.Object{
		Path: r.Name, Size: size, ContentType: r.ContentType, SHA256: r.Metadata[metaSum], Modified: r.Updated, Tag: r.Generation,
	}
}

// Stat describes an object.
func (b *Bucket) Stat(ctx context.Context, path string) (storage.Object, error) {
	r, err := b.stat(ctx, path)
	return r.object(), err
}

func (b *Bucket) stat(ctx context.Context, path string) (resource, error) {
	path, err := storage.CleanPath(path)
	if err != nil {
		return resource{}, err
	}
	var out resource
	if err := b.json(ctx, request{method: http.MethodGet, url: b.object(path)}, &out); err != nil {
		return resource{}, fmt.Errorf("stat %s: %w", path, err)
	}
	return out, nil
}

// Delete removes an object.
func (b *Bucket) Delete(ctx context.Context, path string) error {
	path, err := storage.CleanPath(path)
	if err != nil {
		return err
	}
	err = b.json(ctx, request{method: http.MethodDelete, url: b.object(path)}, nil)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("delete %s: %w", path, err)
	}
	return nil
}

// List returns objects by prefix, however many pages the server makes of them.
func (b *Bucket) List(ctx context.Context, prefix, after string, limit int) ([]storage.Object, error) {
	out := []storage.Object{}
	for page := ""; len(out) < limit; {
		query := url.Values{
			"prefix": {prefix}, "maxResults": {strconv.Itoa(min(limit-len(out)+1, 1000))},
			"fields": {"nextPageToken,items(name,size,contentType,generation,updated,metadata)"},
		}
		if after != "" {
			query.Set("startOffset", after) // comes first itself, if it is there
		}
		if page != "" {
			query.Set("pageToken", page)
		}
		var got struct {
			Items []resource `json:"items"`
			Next  string     `json:"nextPageToken"`
		}
		err := b.json(ctx, request{method: http.MethodGet, url: b.api("/storage/v1") + "?" + query.Encode()}, &got)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		for _, item := range got.Items {
			if item.Name > after && !strings.HasSuffix(item.Name, "/") && len(out) < limit {
				out = append(out, item.object())
			}
		}
		if page = got.Next; page == "" {
			break
		}
	}
	return out, nil
}

func (b *Bucket) api(root string) string {
	return b.endpoint + root + "/b/" + url.PathEscape(b.name) + "/o"
}

func (b *Bucket) object(path string) string { return b.api("/storage/v1") + "/" + url.PathEscape(path) }

// escape escapes the elements of a path and keeps its slashes.
func escape(path string) string {
	return strings.ReplaceAll(url.PathEscape(path), "%2F", "/")
}

// json sends a request and reads the answer into out, unless that is nil.
func (b *Bucket) json(ctx context.Context, r request, out any) error {
	resp, err := b.do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
