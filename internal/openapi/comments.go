package openapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// Comments are the comments of the structs of package api, by type name.
type Comments map[string]Comment

// Comment is what is written at one struct.
type Comment struct {
	Text    string          `json:"text,omitempty"`
	Members map[string]Note `json:"members,omitempty"` // by JSON name
}

// Note is what is written at one member.
type Note struct {
	Text   string   `json:"text,omitempty"`
	Values []string `json:"values,omitempty"` // every value it can have
}

//go:generate go run ../../tools/tstypes ../../api ../../web/src/api/types.ts comments.json

//go:embed comments.json
var apiComments []byte

// comments reads what tools/tstypes extracted.
func comments() (Comments, error) {
	var out Comments
	if err := json.Unmarshal(apiComments, &out); err != nil {
		return nil, fmt.Errorf("read the comments of package api: %w", err)
	}
	return out, nil
}
