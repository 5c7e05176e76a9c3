package archtest

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxLines is where a file is refused. Four hundred is the aim, six hundred a
// reason to look; a thousand is never right.
const maxLines = 1000

// written are the suffixes of files that people write here.
var written = []string{".go", ".ts", ".tsx", ".css", ".html", ".md", ".sh", ".sql", ".yaml", ".yml", ".mjs", "Makefile"}

// private are strings of the places where people work; a reader elsewhere
// cannot follow them. They are put together here so that this file passes.
var private = []string{".." + "/shared", "/work" + "/main", "/work" + "/shared", "/tmp" + "/plan"}

// made are files that a program writes.
func made(name string) bool {
	switch name {
	case "docs/http.md", "docs/local-api.md", "web/src/api/types.ts", "internal/openapi/comments.json":
		return true
	}
	return strings.HasSuffix(name, "package-lock.json") || strings.HasPrefix(name, "docs/cli/")
}

// LongFiles names every written file of more than maxLines lines.
func LongFiles(root string) ([]string, error) {
	var out []string
	err := eachWritten(root, func(name string, data []byte) {
		if made(name) {
			return
		}
		if lines := bytes.Count(data, []byte("\n")); lines > maxLines {
			out = append(out, fmt.Sprintf("%s has %d lines, more than %d: split it by what happens in it", name, lines, maxLines))
		}
	})
	return out, err
}

// PrivateReferences names every written file that mentions a place outside
// the repository.
func PrivateReferences(root string) ([]string, error) {
	var out []string
	err := eachWritten(root, func(name string, data []byte) {
		for _, text := range private {
			if bytes.Contains(data, []byte(text)) {
				out = append(out, fmt.Sprintf("%s mentions %s, which no reader of the repository has", name, text))
			}
		}
	})
	return out, err
}

func eachWritten(root string, visit func(name string, data []byte)) error {
	return Files(root, func(name string) error {
		if !slices.ContainsFunc(written, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		visit(name, data)
		return nil
	})
}

// UndocumentedPackages names every package without a package comment.
// Packages of programs count too: their comment says what the program does.
func UndocumentedPackages(packages []Package) []string {
	var out []string
	for _, p := range packages {
		if !p.Doc {
			out = append(out, fmt.Sprintf("package %s (%s) has no package comment", p.Name, p.Path))
		}
	}
	return out
}

// TablePaths returns the repository paths that the first table of a Markdown
// document names between backticks: with a slash or a suffix, without spaces.
// A <placeholder> is expanded by the caller.
func TablePaths(document string) []string {
	var out []string
	inTable := false
	for _, line := range strings.Split(document, "\n") {
		isRow := strings.HasPrefix(strings.TrimSpace(line), "|")
		if inTable && !isRow {
			break
		}
		if !isRow {
			continue
		}
		inTable = true
		for _, match := range backticked.FindAllStringSubmatch(line, -1) {
			if looksLikePath.MatchString(match[1]) {
				out = append(out, match[1])
			}
		}
	}
	return out
}

var (
	backticked    = regexp.MustCompile("`([^`]+)`")
	looksLikePath = regexp.MustCompile(`^[A-Za-z0-9_.<>-]+(/[A-Za-z0-9_.<>-]+)+/?$`)
	link          = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)[^)]*\)`)
	fence         = regexp.MustCompile("(?s)```.*?```")
	heading       = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*$`)
	notAnchor     = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// DeadLinks names every relative link of the Markdown files below root whose
// file, or whose heading in that file, does not exist.
func DeadLinks(root string) ([]string, error) {
	var out []string
	docs := documents{}
	err := Files(root, func(name string) error {
		if !strings.HasSuffix(name, ".md") {
			return nil
		}
		doc, err := docs.read(root, name)
		if err != nil {
			return err
		}
		for _, match := range link.FindAllStringSubmatch(doc.text, -1) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if problem := docs.resolve(root, name, target); problem != "" {
				out = append(out, fmt.Sprintf("%s links to %s: %s", name, target, problem))
			}
		}
		return nil
	})
	return out, err
}

// document is a Markdown file without its examples, and the anchors in it.
type document struct {
	text    string
	anchors map[string]bool
}

// documents are those that were read, by name: many links lead to one.
type documents map[string]document

func (d documents) read(root, name string) (document, error) {
	if doc, known := d[name]; known {
		return doc, nil
	}
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return document{}, err
	}
	doc := document{text: fence.ReplaceAllString(string(data), ""), anchors: map[string]bool{}}
	for _, match := range heading.FindAllStringSubmatch(doc.text, -1) {
		doc.anchors[Anchor(match[1])] = true
	}
	d[name] = doc
	return doc, nil
}

func (d documents) resolve(root, from, target string) string {
	file, anchor, _ := strings.Cut(target, "#")
	name := from
	if file != "" {
		name = path.Join(path.Dir(from), file)
	}
	if strings.HasPrefix(name, "../") {
		return "outside the repository"
	}
	full := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(full); err != nil {
		return "no such file"
	}
	if anchor == "" || !strings.HasSuffix(name, ".md") {
		return ""
	}
	doc, err := d.read(root, name)
	if err != nil {
		return err.Error()
	}
	if !doc.anchors[anchor] {
		return "no such heading"
	}
	return ""
}

// Anchor returns the fragment that Markdown viewers give a heading: lower
// case, punctuation gone, spaces as dashes.
func Anchor(heading string) string {
	text := notAnchor.ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(text, " ", "-")
}
