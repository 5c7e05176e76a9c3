package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/storage"
	"pipedai/store"
)

const storageLabel = "Failed to retrieve storage content"

// maxParsed is the largest JSON object that is answered parsed; what is larger
// is sent as it is.
const maxParsed = 32 << 20

var errBadPath = &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Invalid storage path"}

// storageBackends answers GET /api/storage/backends. Credentials are no part
// of it.
func (s *Server) storageBackends(context.Context, none) (api.StorageBackends, error) {
	out := api.StorageBackends{Backends: []api.StorageBackend{}, Default: s.o.DefaultBackend}
	for _, b := range s.o.Backends {
		out.Backends = append(out.Backends, api.StorageBackend{
			ID: b.ID, Provider: b.Provider, Endpoint: b.Endpoint, Bucket: b.Bucket, Region: b.Region,
			IsDefault: b.ID == s.o.DefaultBackend,
		})
	}
	return out, nil
}

// storageObject answers GET /api/storage/{path}: JSON as {path, content},
// anything else, and everything with ?raw=1, as the bytes it is.
//
// Objects hold what tasks wrote, so they are never rendered: raw ones are
// downloads, and a browser may not guess at their type.
func (s *Server) storageObject(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("path")
	if name == "" {
		s.fail(w, r, storageLabel, &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Missing storage path"})
		return
	}
	if !plainPath(name) {
		s.fail(w, r, storageLabel, errBadPath)
		return
	}
	backend := r.URL.Query().Get("backend")
	if backend != "" && !s.hasBackend(backend) {
		s.fail(w, r, storageLabel, &api.Error{
			Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Storage backend not found",
			Extra: map[string]any{"backend": backend},
		})
		return
	}
	body, object, err := s.o.Engine.Open(r.Context(), name, backend)
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, store.ErrNotFound) {
		err = &api.Error{
			Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "File not found",
			Extra: map[string]any{"path": name},
		}
	}
	if err != nil {
		s.fail(w, r, storageLabel, err)
		return
	}
	defer func() { _ = body.Close() }() // nothing was written through it

	raw := r.URL.Query().Get("raw")
	head, err := io.ReadAll(io.LimitReader(body, sniffed))
	if err == nil && raw != "1" && raw != "true" && looksJSON(name, object, head) && object.Size <= maxParsed {
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(body, maxParsed+1-sniffed))
		if all := append(head, rest...); err == nil {
			if len(all) <= maxParsed && json.Valid(all) {
				httpkit.Write(w, http.StatusOK, api.StorageContent{Path: name, Content: bytes.TrimSpace(all)})
				return
			}
			head = all
		}
	}
	if err != nil {
		s.fail(w, r, storageLabel, err)
		return
	}
	s.download(w, r, name, object, head, body)
}

// sniffed is how much of an object decides about its type.
const sniffed = 4096

// download sends an object as a file to keep. head is what was read of it.
func (s *Server) download(w http.ResponseWriter, r *http.Request, name string, object storage.Object, head []byte, rest io.Reader) {
	header := w.Header()
	header.Set("Content-Type", contentType(head))
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)}))
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if object.Size > 0 {
		header.Set("Content-Length", strconv.FormatInt(object.Size, 10))
	}
	if r.Method == http.MethodHead {
		return
	}
	// The status is out with the first byte: an error from here on can only end
	// the connection short, which the length tells the client.
	if _, err := w.Write(head); err != nil {
		return
	}
	if _, err := io.Copy(w, rest); err != nil {
		s.o.Log.WarnContext(r.Context(), "object not sent whole", "path", name, "request", httpkit.RequestID(r.Context()), "error", err)
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) hasBackend(id string) bool {
	for _, b := range s.o.Backends {
		if b.ID == id {
			return true
		}
	}
	return false
}

// plainPath reports whether a decoded path can name an object: relative, no
// dot segments, no NUL. The bucket has its own, stricter rules.
func plainPath(name string) bool {
	if strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\x00\\") {
		return false
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func looksJSON(name string, object storage.Object, head []byte) bool {
	if kind, _, err := mime.ParseMediaType(object.ContentType); err == nil && kind == "application/json" {
		return true
	}
	if path.Ext(name) == ".json" {
		return true
	}
	trimmed := bytes.TrimSpace(head)
	return path.Ext(name) == "" && len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[')
}

// contentType is text for what reads as text, bytes for anything else. A type
// that a browser would render is never given.
func contentType(head []byte) string {
	if len(head) == sniffed { // do not judge a character that was cut
		for cut := 0; cut < utf8.UTFMax && len(head) > 0 && !utf8.Valid(head); cut++ {
			head = head[:len(head)-1]
		}
	}
	if utf8.Valid(head) && !bytes.ContainsRune(head, 0) {
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
