package controlplane

import (
	"bytes"
	"cmp"
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
	"pipedai/engine"
	"pipedai/internal/httpkit"
	"pipedai/storage"
	"pipedai/store"
)

const storageLabel = "Failed to retrieve storage content"

// maxParsed is the largest JSON object that is answered parsed; what is larger
// is sent as it is.
const maxParsed = 16 << 20

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
// anything else, and everything with ?raw=1 or ?download, as the bytes it is.
// A Range gives a part of those bytes. Without a path and with ?prefix= it
// lists.
//
// Objects hold what tasks wrote, so they are never rendered: raw ones are
// downloads, and a browser may not guess at their type. A whole object is
// verified while it is sent: one that is small fails before its first byte,
// a larger one lacks its last ones.
func (s *Server) storageObject(w http.ResponseWriter, r *http.Request) {
	name, query := r.PathValue("path"), r.URL.Query()
	if name == "" {
		if query.Has("prefix") {
			handle(s, "Failed to list storage", s.storageList).ServeHTTP(w, r)
			return
		}
		s.fail(w, r, storageLabel, &api.Error{Status: http.StatusBadRequest, Code: api.CodeInvalid, Message: "Missing storage path"})
		return
	}
	if !plainPath(name) {
		s.fail(w, r, storageLabel, errBadPath)
		return
	}
	if err := s.knownBackend(query.Get("backend")); err != nil {
		s.fail(w, r, storageLabel, err)
		return
	}
	object, err := s.o.Engine.Stat(r.Context(), name, query.Get("backend"))
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
	wanted := r.Header.Get("Range")
	raw := query.Get("raw") == "1" || query.Get("raw") == "true" || query.Has("download") || wanted != ""
	tag(w.Header(), object)
	switch {
	case wanted != "" && !strings.Contains(wanted, ","): // several parts at once are not worth their form
		s.sendRange(w, r, object)
	default:
		err = s.send(w, r, object, !raw && object.Size <= maxParsed)
	}
	if err != nil {
		for _, header := range []string{"ETag", "Last-Modified", "Content-Disposition", "Content-Length"} {
			w.Header().Del(header)
		}
		s.fail(w, r, storageLabel, err)
	}
}

// sniffed is how much of an object decides about its type.
const sniffed = 4096

// tag names the content, so that a client can go on with what it has.
func tag(header http.Header, object engine.Stored) {
	switch {
	case object.SHA256 != "":
		header.Set("ETag", `"`+object.SHA256+`"`)
	case object.Tag != "":
		header.Set("ETag", `"`+strings.Trim(object.Tag, `"`)+`"`)
	}
	header.Set("Accept-Ranges", "bytes")
	if !object.Modified.IsZero() {
		header.Set("Last-Modified", object.Modified.UTC().Format(http.TimeFormat))
	}
}

// send sends all the bytes. With parsed, JSON is answered as {path, content}.
func (s *Server) send(w http.ResponseWriter, r *http.Request, object engine.Stored, parsed bool) error {
	body, err := object.Open(r.Context())
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // nothing was written through it
	head, err := io.ReadAll(io.LimitReader(body, sniffed))
	if err != nil {
		return err
	}
	if parsed && looksJSON(object.Path, object.Object, head) {
		rest, err := io.ReadAll(io.LimitReader(body, maxParsed))
		if err != nil {
			return err
		}
		head = append(head, rest...)
		if json.Valid(head) {
			httpkit.Write(w, http.StatusOK, api.StorageContent{Path: object.Path, Content: bytes.TrimSpace(head)})
			return nil
		}
	}
	s.download(w, r, object, head, body)
	return nil
}

// sendRange sends a part of the bytes. The library knows the rules about
// ranges and conditions, and asks for the part with a seek.
func (s *Server) sendRange(w http.ResponseWriter, r *http.Request, object engine.Stored) {
	safely(w.Header(), object.Path, storage.ContentBinary)
	part := &seeker{ctx: r.Context(), object: object}
	defer part.close()
	http.ServeContent(w, r, "", object.Modified, part)
}

// seeker reads an object from wherever it was sent to.
type seeker struct {
	ctx    context.Context
	object engine.Stored
	at     int64
	body   io.ReadCloser
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.object.Size
	}
	if offset != s.at {
		s.close()
		s.at = offset
	}
	return offset, nil
}

func (s *seeker) Read(p []byte) (int, error) {
	if s.at >= s.object.Size {
		return 0, io.EOF
	}
	if s.body == nil {
		var err error
		if s.body, err = s.object.OpenRange(s.ctx, s.at, -1); err != nil {
			return 0, err
		}
	}
	n, err := s.body.Read(p)
	s.at += int64(n)
	return n, err
}

func (s *seeker) close() {
	if s.body != nil {
		_ = s.body.Close()
		s.body = nil
	}
}

// safely keeps a browser from rendering what a task wrote.
func safely(header http.Header, name, kind string) {
	header.Set("Content-Type", kind)
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)}))
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
}

// download sends an object as a file to keep. head is what was read of it.
func (s *Server) download(w http.ResponseWriter, r *http.Request, object engine.Stored, head []byte, rest io.Reader) {
	header := w.Header()
	safely(header, object.Path, contentType(head))
	if known := header.Get("ETag"); known != "" && r.Header.Get("If-None-Match") == known {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.FormatInt(object.Size, 10))
	if r.Method == http.MethodHead {
		return
	}
	// The status is out with the first byte: an error from here on can only end
	// the connection short, which the length tells the client.
	if _, err := w.Write(head); err != nil {
		return
	}
	if _, err := io.Copy(w, rest); err != nil {
		s.o.Log.WarnContext(r.Context(), "object not sent whole", "path", object.Path, "request", httpkit.RequestID(r.Context()), "error", err)
		panic(http.ErrAbortHandler)
	}
}

// storageList answers GET /api/storage?prefix=.
func (s *Server) storageList(ctx context.Context, _ none) (api.StorageList, error) {
	q := queryOf(ctx)
	limit := q.number("limit", 100, 1, 1000)
	prefix, after, backend := q.text("prefix"), q.text("after"), q.text("backend")
	if err := q.err(); err != nil {
		return api.StorageList{}, err
	}
	if strings.ContainsAny(prefix+after, "\x00\\") || prefix != "" && !plainPath(strings.TrimSuffix(prefix, "/")) {
		return api.StorageList{}, errBadPath
	}
	if err := s.knownBackend(backend); err != nil {
		return api.StorageList{}, err
	}
	out := api.StorageList{Backend: cmp.Or(backend, s.o.DefaultBackend), Prefix: prefix, Objects: []api.StorageObject{}}
	if q.text("folders") == "1" {
		err := s.listFolder(ctx, &out, backend, after, limit)
		return out, err
	}
	objects, err := s.o.Engine.ListObjects(ctx, backend, prefix, after, limit+1)
	if err != nil {
		return api.StorageList{}, err
	}
	for i, object := range objects {
		if i == limit {
			out.Next = objects[i-1].Path
			break
		}
		out.Objects = append(out.Objects, wireObject(object))
	}
	return out, nil
}

func wireObject(o storage.Object) api.StorageObject {
	return api.StorageObject{
		Path: o.Path, Size: o.Size, ContentType: o.ContentType, SHA256: o.SHA256, Modified: api.At(o.Modified),
	}
}

// folderPage is how many objects one look into a folder reads, and folderLooks
// how often one request looks: a folder inside is passed over in one look,
// however much it holds.
const (
	folderPage  = 200
	folderLooks = 100
)

// listFolder lists what is directly in a folder: its objects, and its folders
// once each.
func (s *Server) listFolder(ctx context.Context, out *api.StorageList, backend, after string, limit int) error {
	out.Folders = []string{}
	full := func() bool { return len(out.Objects)+len(out.Folders) >= limit }
	for looks := 0; ; looks++ {
		objects, err := s.o.Engine.ListObjects(ctx, backend, out.Prefix, after, folderPage)
		if err != nil {
			return err
		}
		passed := false
		for _, object := range objects {
			if full() {
				out.Next = after
				return nil
			}
			name, _, inside := strings.Cut(strings.TrimPrefix(object.Path, out.Prefix), "/")
			if inside {
				out.Folders = append(out.Folders, out.Prefix+name+"/")
				after, passed = out.Prefix+name+"/"+lastInFolder, true
				break // what is left of the page may all be in there
			}
			out.Objects = append(out.Objects, wireObject(object))
			after = object.Path
		}
		switch {
		case !passed && len(objects) < folderPage:
			return nil
		case full() || looks == folderLooks:
			out.Next = after
			return nil
		}
	}
}

// lastInFolder sorts behind whatever a path may hold.
const lastInFolder = "\U0010FFFF"

// knownBackend is nil for no backend and for one that is configured.
func (s *Server) knownBackend(id string) error {
	if id == "" || s.hasBackend(id) {
		return nil
	}
	return &api.Error{
		Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Storage backend not found",
		Extra: map[string]any{"backend": id},
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
