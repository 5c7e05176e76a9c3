package web

import (
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

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

// send writes a file, in its compressed form where there is one and the client
// takes it. An error means that nothing was written.
func (h *handler) send(w http.ResponseWriter, r *http.Request, name string) error {
	body, err := fs.ReadFile(h.files, name)
	if err != nil {
		return err
	}
	header := w.Header()
	contentType, known := types[path.Ext(name)]
	if !known {
		if contentType = mime.TypeByExtension(path.Ext(name)); contentType == "" {
			contentType = "application/octet-stream"
		}
	}
	header.Set("Content-Type", contentType)
	if packed, err := fs.ReadFile(h.files, name+".gz"); err == nil {
		header.Add("Vary", "Accept-Encoding")
		if httpkit.AcceptsGzip(r.Header.Values("Accept-Encoding")) {
			header.Set("Content-Encoding", "gzip")
			body = packed
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a reader that went away is not our failure
	}
	return nil
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
