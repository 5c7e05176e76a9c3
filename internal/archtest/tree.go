package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Package is one folder of Go files, without its tests.
type Package struct {
	Path    string   // slash-separated, below the module root
	Imports []string // ascending, of all files whatever their build constraints
	Doc     bool     // some file has a package comment
	Name    string
}

// Root returns the folder of go.mod at or above dir.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod at or above the working folder")
		}
		dir = parent
	}
}

// skipped are folders that hold nothing we wrote, or data of tests.
var skipped = []string{"node_modules", "testdata", "dist", "bin", "vendor"}

// Files calls visit for every file that belongs to the repository, with its
// slash-separated path below root.
func Files(root string, visit func(name string) error) error {
	return filepath.WalkDir(root, func(full string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		name := entry.Name()
		hidden := strings.HasPrefix(name, ".") && rel != "." && rel != ".ci"
		if entry.IsDir() {
			if hidden || slices.Contains(skipped, name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		return visit(filepath.ToSlash(rel))
	})
}

// Packages parses the import clauses and package comments of every Go file
// below root. Folders that are modules of their own are left out.
func Packages(root string) ([]Package, error) {
	byPath := map[string]*Package{}
	err := Files(root, func(name string) error {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || ownModule(root, name) {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil,
			parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse %s: %w", name, err)
		}
		dir := path.Dir(name)
		p := byPath[dir]
		if p == nil {
			p = &Package{Path: dir, Name: file.Name.Name}
			byPath[dir] = p
		}
		p.Doc = p.Doc || strings.TrimSpace(file.Doc.Text()) != ""
		for _, imp := range file.Imports {
			value, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return fmt.Errorf("parse %s: import %s: %w", name, imp.Path.Value, err)
			}
			if !slices.Contains(p.Imports, value) {
				p.Imports = append(p.Imports, value)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	packages := make([]Package, 0, len(byPath))
	for _, p := range byPath {
		slices.Sort(p.Imports)
		packages = append(packages, *p)
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Path, b.Path) })
	return packages, nil
}

// ownModule reports whether a folder between root and the file has a go.mod.
func ownModule(root, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(dir), "go.mod")); err == nil {
			return true
		}
	}
	return false
}
