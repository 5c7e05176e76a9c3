package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"pipedai/internal/httpkit"
)

// notBuilt is what a page answers where the program was built without Node.
const notBuilt = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Pages not built</title>
<h1>This program was built without its pages</h1>
<p>The API works. To get the pages, run <code>make web</code> in the source tree and build the program again.</p>
`

// types are the content types of everything a build can hold. They are spelled
// out because mime.TypeByExtension also asks the operating system, which may
// call a script text/plain; with nosniff that is a blank page.
var types = map[string]string{
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".svg":   "image/svg+xml",
	".png":   "image/png",
	".ico":   "image/x-icon",
	".json":  "application/json",
	".woff2": "font/woff2",
}

// handler serves one page of a build.
type handler struct {
	files fs.FS
	index string   // the page's file
	pages []string // first segments of the addresses that are the page; nil: only "/"
	csp   string
}

func newHandler(files fs.FS, index string, pages []string) http.Handler {
	return &handler{files: files, index: index, pages: pages, csp: csp()}
}

// ServeHTTP answers GET and HEAD.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.secure(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, `{"error":"Method not allowed","code":"invalid_request"}`)
		return
	}
	switch name := strings.TrimPrefix(r.URL.Path, "/"); {
	case h.isPage(name, r.Header.Get("Accept")):
		h.page(w, r)
	case strings.HasPrefix(name, "assets/"):
		h.asset(w, r, name)
	default:
		notFound(w)
	}
}

// secure sets the headers that every answer carries, errors included.
func (h *handler) secure(header http.Header) {
	header.Set("Content-Security-Policy", h.csp)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

// isPage says whether a path is an address of the page. A path below one of
// its own addresses may hold a dot (an id is free to), so there the client has
// to ask for HTML by name, as a browser that navigates does; a script tag or a
// fetch does not.
func (h *handler) isPage(name, accept string) bool {
	if name == "" {
		return true
	}
	if len(h.pages) == 0 {
		return false
	}
	first, _, _ := strings.Cut(name, "/")
	if first == "api" || first == "assets" {
		return false
	}
	html := strings.Contains(accept, "text/html")
	if path.Ext(name) == "" {
		return html || accept == "" || strings.Contains(accept, "*/*")
	}
	return html && slices.Contains(h.pages, first)
}

func (h *handler) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	err := h.send(w, r, h.index)
	if errors.Is(err, fs.ErrNotExist) {
		w.Header().Set("Content-Type", types[".html"])
		w.WriteHeader(http.StatusServiceUnavailable)
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(notBuilt)) // a reader that went away is not our failure
		}
	}
}

// asset serves a file whose name holds a hash of its content, so it may be
// kept for ever.
func (h *handler) asset(w http.ResponseWriter, r *http.Request, name string) {
	// .gz names are the same assets in transit form, not further assets.
	if !fs.ValidPath(name) || path.Ext(name) == ".gz" {
		notFound(w)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	if err := h.send(w, r, name); err != nil {
		notFound(w)
	}
}

// send writes a file: as it lies there to who takes it so, else unpacked. Parts
// of it, and whether it changed, are about the form that is sent. An error means
// that nothing was written.
func (h *handler) send(w http.ResponseWriter, r *http.Request, name string) error {
	file, packed, err := h.open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	body, form := io.ReadSeeker(file), ""
	header := w.Header()
	if packed {
		header.Add("Vary", "Accept-Encoding")
		if httpkit.AcceptsGzip(r.Header.Values("Accept-Encoding")) {
			info, err := file.Stat()
			if err != nil {
				return fmt.Errorf("measure %s: %w", name, err)
			}
			form = "-gzip"
			header.Set("Content-Encoding", "gzip")
			header.Set("Content-Length", strconv.FormatInt(info.Size(), 10)) // which ServeContent leaves out for encoded ones
		} else if body, err = unpacked(file); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	header.Set("Content-Type", contentType(name))
	if name != h.index { // then its name holds a hash of what is in it
		header.Set("ETag", `"`+path.Base(name)+form+`"`)
	}
	http.ServeContent(w, r, "", time.Time{}, body)
	return nil
}

// seekable is a file of a build; those that are embedded can seek.
type seekable interface {
	fs.File
	io.Seeker
}

// open finds a file of the build, in its compressed form where it has one.
func (h *handler) open(name string) (opened seekable, packed bool, err error) {
	file, err := h.files.Open(name + ".gz")
	if packed = err == nil; !packed {
		if file, err = h.files.Open(name); err != nil {
			return nil, false, err
		}
	}
	info, err := file.Stat()
	if opened, ok := file.(seekable); ok && err == nil && info.Mode().IsRegular() {
		return opened, packed, nil
	}
	_ = file.Close()
	return nil, false, fmt.Errorf("open %s: %w", name, fs.ErrNotExist) // a folder
}

// unpacked is a compressed file for the few clients that do not take it so.
func unpacked(packed io.Reader) (*bytes.Reader, error) {
	unzip, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(unzip)
	return bytes.NewReader(body), err
}

func contentType(name string) string {
	if known := types[path.Ext(name)]; known != "" {
		return known
	}
	return cmp.Or(mime.TypeByExtension(path.Ext(name)), "application/octet-stream")
}

func notFound(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, `{"error":"Not found","code":"not_found"}`)
}

func refuse(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a reader that went away is not our failure
}
