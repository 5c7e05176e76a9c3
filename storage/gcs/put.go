package gcs

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"time"

	"pipedai/storage"
	"pipedai/storage/internal/source"
)

// Metadata of an object.
const (
	metaSum    = "sha256"
	metaWriter = "writer" // who won a PutNew
)

const (
	// block is what one request carries, and what is held in memory. Sessions
	// take multiples of 256 KiB.
	block      = 8 << 20
	abortAfter = 30 * time.Second
)

// Put stores an object.
func (b *Bucket) Put(ctx context.Context, path string, r io.Reader, size int64, contentType string) (storage.Object, error) {
	return b.put(ctx, path, r, size, contentType, "")
}

// PutNew stores an object where there is none.
func (b *Bucket) PutNew(ctx context.Context, path string, r io.Reader, size int64, contentType string) (storage.Object, error) {
	return b.put(ctx, path, r, size, contentType, rand.Text())
}

// put stores an object; a writer's name makes it conditional. A request whose
// answer was lost is sent again, and finds its own object there: the name
// tells that from a lost race.
func (b *Bucket) put(ctx context.Context, path string, r io.Reader, size int64, contentType, writer string) (storage.Object, error) {
	path, err := storage.CleanPath(path)
	if err != nil {
		return storage.Object{}, err
	}
	u := upload{path: path, query: url.Values{}, contentType: contentType, meta: map[string]string{}}
	if writer != "" {
		u.meta[metaWriter] = writer
		u.query.Set("ifGenerationMatch", "0")
	}
	in := source.New(ctx, r, size, block)
	err = b.send(ctx, in, size, u)
	if writer != "" && errors.Is(err, storage.ErrExists) {
		there, statErr := b.stat(ctx, path)
		if statErr == nil && there.Metadata[metaWriter] == writer {
			err = nil
		}
	}
	if err != nil {
		return storage.Object{}, fmt.Errorf("put %s: %w", path, err)
	}
	return storage.Object{Path: path, Size: in.Size(), ContentType: contentType, SHA256: in.Sum()}, nil
}

// upload is where and as what an object is stored.
type upload struct {
	path        string
	query       url.Values
	contentType string
	meta        map[string]string
}

func (u upload) describe() ([]byte, error) {
	return json.Marshal(resource{Name: u.path, ContentType: u.contentType, Metadata: u.meta})
}

func (b *Bucket) send(ctx context.Context, in *source.Source, size int64, u upload) error {
	if size > block { // the metadata goes first
		sum, err := in.Hash()
		if err != nil {
			return err
		}
		if sum != "" {
			u.meta[metaSum] = sum
		}
	}
	data, last, err := in.Next()
	if err != nil {
		return err
	}
	if last {
		u.meta[metaSum] = in.Sum()
		return b.sendWhole(ctx, data, u)
	}
	return b.sendParts(ctx, in, data, u)
}

// sendWhole sends metadata and bytes in one request.
func (b *Bucket) sendWhole(ctx context.Context, data []byte, u upload) error {
	about, err := u.describe()
	if err != nil {
		return err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range []struct {
		kind string
		data []byte
	}{{"application/json; charset=UTF-8", about}, {u.contentType, data}} {
		if part.kind == "" {
			part.kind = storage.ContentBinary
		}
		w, err := form.CreatePart(textproto.MIMEHeader{"Content-Type": {part.kind}})
		if err != nil {
			return err
		}
		if _, err := w.Write(part.data); err != nil {
			return err
		}
	}
	if err := form.Close(); err != nil {
		return err
	}
	u.query.Set("uploadType", "multipart")
	return b.json(ctx, request{
		method: http.MethodPost, url: b.api("/upload/storage/v1") + "?" + u.query.Encode(), body: body.Bytes(),
		header: http.Header{"Content-Type": {"multipart/related; boundary=" + form.Boundary()}},
	}, nil)
}

// sendParts sends blocks over a session.
func (b *Bucket) sendParts(ctx context.Context, in *source.Source, data []byte, u upload) (err error) {
	about, err := u.describe()
	if err != nil {
		return err
	}
	u.query.Set("uploadType", "resumable")
	u.query.Set("name", u.path)
	resp, err := b.do(ctx, request{
		method: http.MethodPost, url: b.api("/upload/storage/v1") + "?" + u.query.Encode(), body: about,
		header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}, "X-Upload-Content-Type": {u.contentType}},
	})
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	session := resp.Header.Get("Location")
	if session == "" {
		return errors.New("storage opened no upload session")
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortAfter)
			defer cancel()
			if resp, err := b.once(ctx, request{method: http.MethodDelete, url: session}); err == nil {
				_ = resp.Body.Close() // 499: ended
			}
		}
	}()
	for sent, last := int64(0), false; ; {
		if last && ctx.Err() != nil { // the last look before it becomes visible
			return context.Cause(ctx)
		}
		end, total := sent+int64(len(data)), "*"
		if last {
			total = fmt.Sprint(end)
		}
		resp, err := b.do(ctx, request{
			method: http.MethodPut, url: session, body: data, more: true,
			header: http.Header{"Content-Range": {fmt.Sprintf("bytes %d-%d/%s", sent, end-1, total)}},
		})
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if done := resp.StatusCode < 300; done != last {
			return fmt.Errorf("storage answered %s in the middle of an upload", resp.Status)
		}
		// A server may keep less than it was sent.
		if kept := resp.Header.Get("Range"); !last && kept != fmt.Sprintf("bytes=0-%d", end-1) {
			return fmt.Errorf("%w: storage kept %s of an upload of %d bytes", storage.ErrUnavailable, kept, end)
		}
		if last {
			return nil
		}
		sent = end
		if data, last, err = in.Next(); err != nil {
			return err
		}
	}
}
