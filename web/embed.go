// Package web is the two pages of this project, built from web/src by Vite and
// embedded: the dashboard that a host's daemon serves on loopback, and the
// console that pipeweave serves.
//
// Go builds and tests without Node. The built pages are not committed; where
// web/dist holds no build the handlers answer with a page that says so, and
// everything else works as it does with one. What is embedded is the compressed
// form of every file (web/dist/packed), as nearly all clients take it.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed all:dist/packed
var dist embed.FS

// policy is the Content-Security-Policy of both pages. It is a file of its own
// so that the browser tests, which serve the build themselves, run under the
// same one.
//
//go:embed csp.txt
var policy string

// Dashboard serves the host dashboard at / and its assets. It knows no other
// page: every other path is a 404, never the page. It asks for no credentials,
// because the shell holds no secrets; the caller's guard goes before it.
func Dashboard() http.Handler { return newHandler(built(), "dashboard.html", nil) }

// Console serves the console at each of its page addresses (so that a link to
// a run can be opened and reloaded) and its assets. Unknown assets and
// anything below /api are a 404, never the page.
func Console() http.Handler {
	return newHandler(built(), "console.html", consolePages)
}

// consolePages are the first segments of the addresses that the console's
// router knows (web/src/console/routes).
var consolePages = []string{
	"activate", "audit", "dead-letters", "hosts", "pipelines", "queue", "releases",
	"rollouts", "runs", "services", "storage", "tasks", "tokens", "workspaces",
}

func built() fs.FS {
	sub, err := fs.Sub(dist, "dist/packed")
	if err != nil { // only for a malformed path, and this one is a constant
		panic(err)
	}
	return sub
}

// csp is policy without the newline that ends the file.
func csp() string { return strings.TrimSpace(policy) }
