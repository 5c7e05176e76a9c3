package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pipedai/pipeline/inputschema"
	"pipedai/storage"
	"pipedai/store"
)

const (
	// MaxUpload is the most bytes of an upload.
	MaxUpload = 100 << 20
	// uploadLife is how long an upload waits to be claimed, writingLife how long
	// its object may take to be written.
	uploadLife  = 24 * time.Hour
	writingLife = 6 * time.Hour
	// uploadPrefix begins every id of an upload, and every text of an input that
	// names one.
	uploadPrefix = "tmp_"
	// mostUploads bounds the uploads one input may name.
	mostUploads = 1000
	// longestName bounds a file name, in bytes.
	longestName = 200
)

// The refusals of uploads.
var (
	// ErrUploadTooLarge says that a file has more than MaxUpload bytes.
	ErrUploadTooLarge = errors.New("the file is too large")
	// ErrUploadDeleted says that the object of an upload is gone.
	ErrUploadDeleted = errors.New("the upload is deleted")
)

// NewUpload is a file on its way in.
type NewUpload struct {
	Filename string // as the client says; only its last element counts
	MimeType string
	By       string
	Body     io.Reader
}

// Upload streams a file into storage and keeps it for 24 hours, or for good
// once an input names it. When it fails, nothing is left of the file.
func (e *Engine) Upload(ctx context.Context, n NewUpload) (store.Upload, error) {
	now := time.Now()
	u := store.Upload{
		ID: newUploadID(), Backend: e.backend.Config.ID, MimeType: mimeType(n.MimeType), UploadedBy: n.By,
		Filename: fileName(n.Filename), ExpiresAt: now.Add(writingLife),
	}
	name := u.Filename
	if name == "" {
		name = fmt.Sprintf("upload-%d", now.UnixMilli())
	}
	u.Path = "temp-uploads/" + u.ID + "/" + name
	if err := e.store.StartUpload(ctx, u); err != nil {
		return store.Upload{}, fmt.Errorf("upload: %w", err)
	}
	object, err := e.backend.Bucket.Put(ctx, u.Path, &limited{r: n.Body, left: MaxUpload}, -1, u.MimeType)
	var done store.Upload
	if err == nil {
		done, err = e.store.FinishUpload(ctx, u.ID, object.Size, now.Add(uploadLife))
	}
	if err == nil {
		return done, nil
	}
	// A bucket leaves nothing of a write that failed; what cannot be undone here
	// expires and is cleaned up.
	e.forgetUpload(context.WithoutCancel(ctx), u)
	return store.Upload{}, fmt.Errorf("upload: %w", err)
}

func (e *Engine) forgetUpload(ctx context.Context, u store.Upload) {
	err := e.backend.Bucket.Delete(ctx, u.Path)
	if err == nil {
		err = e.store.DropUpload(ctx, u.ID)
	}
	if err != nil {
		e.log.Warn("an upload that failed is left to the cleanup", "upload", u.ID, "error", err)
	}
}

// DeleteUpload removes an upload that no run claimed. It fails with
// store.ErrNotFound, ErrUploadDeleted, or store.ErrConflict when it is claimed;
// then the upload says by whom.
func (e *Engine) DeleteUpload(ctx context.Context, id string) (store.Upload, error) {
	u, err := e.store.ExpireUpload(ctx, id) // nobody can claim it from here on
	if errors.Is(err, store.ErrConflict) {
		u, err = e.store.Upload(ctx, id)
		switch {
		case err != nil:
		case !u.DeletedAt.IsZero():
			err = ErrUploadDeleted
		default:
			err = store.ErrConflict
		}
	}
	if err == nil {
		err = e.removeUpload(ctx, u)
	}
	if err == nil {
		err = e.store.MarkUploadsDeleted(ctx, []string{id})
	}
	if err != nil {
		return u, fmt.Errorf("delete upload %q: %w", id, err)
	}
	return u, nil
}

// removeUpload removes the object of an upload.
func (e *Engine) removeUpload(ctx context.Context, u store.Upload) error {
	b, known := e.backends[u.Backend]
	if !known {
		return fmt.Errorf("storage backend %q is not configured", u.Backend)
	}
	return b.Bucket.Delete(ctx, u.Path)
}

// newUploadID is "tmp_" and 21 characters of 64.
func newUploadID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	id := make([]byte, 21)
	_, _ = rand.Read(id) // never fails
	for i := range id {
		id[i] = alphabet[id[i]&63]
	}
	return uploadPrefix + string(id)
}

// fileName is the last element of a name that a client sent, without what no
// file should be called; empty for none.
func fileName(sent string) string {
	name := path.Base(strings.ReplaceAll(strings.ToValidUTF8(sent, ""), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, name)
	for len(name) > longestName {
		// The extension is what says most.
		ext := path.Ext(name)
		if len(ext) > 20 {
			ext = ""
		}
		cut := longestName - len(ext)
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + ext
	}
	name = strings.TrimRight(name, ". ")
	if name == "" || name == "/" {
		return ""
	}
	if _, err := storage.CleanPath("temp-uploads/x/" + name); err != nil {
		return "file_" + strings.TrimLeft(path.Ext(name), ".")
	}
	return name
}

// mimeType is what a client says a file is, if that can be a type at all.
func mimeType(sent string) string {
	if len(sent) > 255 || strings.ContainsFunc(sent, unicode.IsControl) || !strings.Contains(sent, "/") {
		return "application/octet-stream"
	}
	return sent
}

// limited fails when more than left bytes come.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, ErrUploadTooLarge
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n, ErrUploadTooLarge
	}
	return n, err
}

// named is one text of an input that names an upload, and where it is.
type named struct{ id, field string }

// uploadsIn returns the uploads that an input names, each once: every text,
// at any depth, that begins as their ids do.
func uploadsIn(input json.RawMessage) []named {
	if !bytes.Contains(input, []byte(uploadPrefix)) && !bytes.Contains(input, []byte(`\u`)) {
		return nil // an escaped letter may hide one
	}
	var v any
	if json.Unmarshal(input, &v) != nil {
		return nil
	}
	var out []named
	seen := map[string]bool{}
	var walk func(v any, at []string)
	walk = func(v any, at []string) {
		switch v := v.(type) {
		case string:
			if strings.HasPrefix(v, uploadPrefix) && !seen[v] && len(out) < mostUploads {
				seen[v] = true
				out = append(out, named{v, strings.Join(at, ".")})
			}
		case []any:
			for i, item := range v {
				walk(item, append(at[:len(at):len(at)], fmt.Sprint(i)))
			}
		case map[string]any:
			for name, member := range v {
				walk(member, append(at[:len(at):len(at)], name))
			}
		}
	}
	walk(v, nil)
	return out
}

// readUploads reads what uploads inputs name, all at once.
func (e *Engine) readUploads(ctx context.Context, names ...[]named) (map[string]store.Upload, error) {
	var ids []string
	for _, list := range names {
		for _, n := range list {
			ids = append(ids, n.id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := e.store.Uploads(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read uploads: %w", err)
	}
	out := make(map[string]store.Upload, len(found))
	for _, u := range found {
		out[u.ID] = u
	}
	return out, nil
}

// checkUploads says what is wrong with the uploads that an input names, for a
// task with that schema.
func checkUploads(s taskSchema, input json.RawMessage, names []named, uploads map[string]store.Upload) []inputschema.Error {
	var out []inputschema.Error
	for _, n := range names {
		if text := unusable(uploads[n.id]); text != "" {
			out = append(out, inputschema.BadUpload(n.field, text))
		}
	}
	if s.schema != nil && len(names) > 0 {
		for _, f := range s.schema.Files(input) {
			if text := unfit(f, uploads); text != "" {
				out = append(out, inputschema.BadUpload(f.Field, text))
			}
		}
	}
	return out
}

// unusable says why an upload cannot be used; a text that names none is just a
// text.
func unusable(u store.Upload) string {
	switch {
	case u.ID == "":
		return ""
	case !u.DeletedAt.IsZero():
		return "Upload is deleted"
	case u.ClaimedBy == "" && !u.ExpiresAt.After(time.Now()):
		return "Upload has expired"
	default:
		return ""
	}
}

// unfit says why a field does not take the upload it names.
func unfit(f inputschema.File, uploads map[string]store.Upload) string {
	u, known := uploads[f.ID]
	switch {
	case !known && strings.HasPrefix(f.ID, uploadPrefix):
		return "Upload not found"
	case !known:
		return ""
	case f.MaxSize > 0 && float64(u.Size) > f.MaxSize:
		return fmt.Sprintf("File must not be larger than %.0f bytes", f.MaxSize)
	case !f.Accepts(u.Filename, u.MimeType):
		return "File must be one of " + f.Accept
	default:
		return ""
	}
}
