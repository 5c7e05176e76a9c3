package main

import (
	"encoding/json"
	"go/ast"
	"reflect"
	"strings"
)

// comment is what is written at one struct, and note at one of its members, as
// package internal/openapi reads them.
type (
	structComment struct {
		Text    string          `json:"text,omitempty"`
		Members map[string]note `json:"members,omitempty"`
	}
	note struct {
		Text   string   `json:"text,omitempty"`
		Values []string `json:"values,omitempty"`
	}
)

// Comments returns, as JSON, what is written at the exported structs of a
// folder and at their members. Structs and members without a comment are left
// out.
func Comments(dir string) (string, error) {
	files, _, err := parse(dir)
	if err != nil {
		return "", err
	}
	all := map[string]structComment{}
	for _, file := range files {
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range group.Specs {
				named, ok := spec.(*ast.TypeSpec)
				if !ok || !named.Name.IsExported() {
					continue
				}
				structure, ok := named.Type.(*ast.StructType)
				if !ok {
					continue
				}
				doc := named.Doc
				if doc == nil {
					doc = group.Doc
				}
				if found := commentsOf(doc, structure); found.Text != "" || found.Members != nil {
					all[named.Name.Name] = found
				}
			}
		}
	}
	out, err := json.MarshalIndent(all, "", "  ")
	return string(out) + "\n", err
}

func commentsOf(doc *ast.CommentGroup, s *ast.StructType) structComment {
	out := structComment{Text: oneLine(doc)}
	for _, field := range s.Fields.List {
		if len(field.Names) != 1 || field.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`"))
		name, _, _ := strings.Cut(tag.Get("json"), ",")
		text := strings.TrimSpace(field.Comment.Text())
		found := note{Text: strings.ReplaceAll(text, "\n", " "), Values: words(tag, text)}
		if found.Text == "" {
			found.Text = oneLine(field.Doc)
		}
		if quotedWords.MatchString(found.Text) { // the values say it
			found.Text = ""
		}
		if found.Text == "" && found.Values == nil {
			continue
		}
		if out.Members == nil {
			out.Members = map[string]note{}
		}
		out.Members[name] = found
	}
	return out
}

func oneLine(doc *ast.CommentGroup) string {
	return strings.Join(strings.Fields(doc.Text()), " ")
}
