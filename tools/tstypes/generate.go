package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const head = `// Made from the structs of the Go package api by tools/tstypes; "make generate" renews it. Do not edit.
//
// A member that Go leaves out when it is empty is optional. A pointer, list or map that is always there may be null.

/** An instant: RFC 3339 in UTC with milliseconds, null when there is none. */
export type Time = string | null;

/** Whatever JSON there is. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
`

// Generate returns the TypeScript module of the exported structs in the Go
// files of a folder, files by name and structs in their order. A type with a
// JSON spelling of its own has no members to show and is left out. A form of
// type that has no translation is an error that names where it stands.
func Generate(dir string) (string, error) {
	files, fset, err := parse(dir)
	if err != nil {
		return "", err
	}
	w := writer{fset: fset, own: ownSpelling(files)}
	w.out.WriteString(head)
	for _, file := range files {
		for _, decl := range file.Decls {
			if err := w.declaration(decl); err != nil {
				return "", err
			}
		}
	}
	return w.out.String(), nil
}

// parse reads the Go files of a folder, by name.
func parse(dir string) ([]*ast.File, *token.FileSet, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, nil, err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths { // Glob sorts
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("%s has no Go files", dir)
	}
	return files, fset, nil
}

// ownSpelling names the types that have a MarshalJSON method.
func ownSpelling(files []*ast.File) map[string]bool {
	own := map[string]bool{}
	for _, file := range files {
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "MarshalJSON" {
				continue
			}
			receiver := fn.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if name, ok := receiver.(*ast.Ident); ok {
				own[name.Name] = true
			}
		}
	}
	return own
}

type writer struct {
	fset *token.FileSet
	own  map[string]bool
	out  strings.Builder
}

func (w *writer) declaration(decl ast.Decl) error {
	group, ok := decl.(*ast.GenDecl)
	if !ok || group.Tok != token.TYPE {
		return nil
	}
	for _, spec := range group.Specs {
		named, ok := spec.(*ast.TypeSpec)
		if !ok || !named.Name.IsExported() || w.own[named.Name.Name] {
			continue
		}
		structure, ok := named.Type.(*ast.StructType)
		if !ok {
			return w.refuse(named, "a type that is not a struct")
		}
		doc := named.Doc
		if doc == nil {
			doc = group.Doc
		}
		if err := w.structure(named.Name.Name, doc, structure); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) structure(name string, doc *ast.CommentGroup, s *ast.StructType) error {
	var base []string
	var members strings.Builder
	for _, field := range s.Fields.List {
		if len(field.Names) == 0 { // its members are ours
			embedded, ok := field.Type.(*ast.Ident)
			if !ok {
				return w.refuse(field, "an embedded type that is not a struct of this package")
			}
			base = append(base, embedded.Name)
			continue
		}
		line, err := w.member(field)
		if err != nil {
			return err
		}
		members.WriteString(line)
	}
	w.out.WriteString("\n" + comment(doc) + "export interface " + name)
	if len(base) > 0 {
		w.out.WriteString(" extends " + strings.Join(base, ", "))
	}
	w.out.WriteString(" {\n" + members.String() + "}\n")
	return nil
}

// member returns the line of a field, "" for one that is not on the wire.
func (w *writer) member(field *ast.Field) (string, error) {
	if len(field.Names) != 1 || field.Tag == nil {
		return "", w.refuse(field, "a field without a json name of its own")
	}
	tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`"))
	name, options, _ := strings.Cut(tag.Get("json"), ",")
	switch name {
	case "-":
		return "", nil
	case "":
		return "", w.refuse(field, "a field without a json name")
	}
	optional := slices.ContainsFunc(strings.Split(options, ","), func(o string) bool { return o == "omitempty" || o == "omitzero" })
	kind, null, err := w.kind(field.Type)
	if err != nil {
		return "", err
	}
	note := strings.TrimSpace(field.Comment.Text())
	if words := values(tag, note); kind == "string" && words != nil {
		kind = strings.Join(words, " | ")
		if quotedWords.MatchString(note) { // the type says it
			note = ""
		}
	}
	mark := ""
	if optional {
		mark = "?"
	} else if null {
		kind += " | null"
	}
	if note != "" {
		note = " // " + strings.ReplaceAll(note, "\n", " ")
	}
	return fmt.Sprintf("  %s%s: %s;%s\n", name, mark, kind, note), nil
}

// kind returns the TypeScript type of a Go type, and whether its zero value is
// null in JSON.
func (w *writer) kind(expr ast.Expr) (name string, null bool, err error) {
	switch t := expr.(type) {
	case *ast.StarExpr:
		name, _, err = w.kind(t.X)
		return name, true, err
	case *ast.ArrayType:
		if elt, ok := t.Elt.(*ast.Ident); ok && elt.Name == "byte" {
			return "string", true, nil // base64
		}
		name, null, err = w.kind(t.Elt)
		if null {
			name = "(" + name + " | null)"
		}
		return name + "[]", true, err
	case *ast.MapType:
		name, null, err = w.kind(t.Value)
		if null {
			name += " | null"
		}
		return "Record<string, " + name + ">", true, err
	case *ast.SelectorExpr:
		if t.Sel.Name == "RawMessage" {
			return "Json", false, nil // which may be null as it is
		}
	case *ast.Ident:
		switch t.Name {
		case "string":
			return "string", false, nil
		case "bool":
			return "boolean", false, nil
		case "int", "int32", "int64", "float64":
			return "number", false, nil
		case "any":
			return "Json", false, nil
		case "Time":
			return "Time", false, nil // likewise
		}
		if t.IsExported() && !w.own[t.Name] {
			return t.Name, false, nil
		}
	}
	return "", false, w.refuse(expr, "a type without a translation")
}

// quotedWords is a comment that lists every value of a member and says nothing
// else: "online" or "offline".
var quotedWords = regexp.MustCompile(`^"[\w-]+"(?:(?:, | or |, or )"[\w-]+")+$`)

var quotedWord = regexp.MustCompile(`"[\w-]+"`)

// values returns the literal types of a member whose values are listed; nil
// when they are not.
func values(tag reflect.StructTag, note string) []string {
	var out []string
	for _, word := range words(tag, note) {
		out = append(out, `"`+word+`"`)
	}
	return out
}

// words returns every value of a member that lists them, by the validator's
// oneof or by its comment; nil when it does not.
func words(tag reflect.StructTag, note string) []string {
	for _, rule := range strings.Split(tag.Get("validate"), ",") {
		if list, ok := strings.CutPrefix(rule, "oneof="); ok {
			return strings.Fields(list)
		}
	}
	if !quotedWords.MatchString(note) {
		return nil
	}
	var out []string
	for _, word := range quotedWord.FindAllString(note, -1) {
		out = append(out, strings.Trim(word, `"`))
	}
	return out
}

func comment(doc *ast.CommentGroup) string {
	lines := strings.Split(strings.TrimSpace(doc.Text()), "\n")
	if len(lines) == 1 {
		return "/** " + lines[0] + " */\n"
	}
	return "/**\n * " + strings.Join(lines, "\n * ") + "\n */\n"
}

func (w *writer) refuse(node ast.Node, what string) error {
	return fmt.Errorf("%s: %s", w.fset.Position(node.Pos()), what)
}
