package httpkit

import (
	"net/http"

	"pipedai/api"
)

// Problems collects everything that is wrong with a request: "_errors" holds
// the texts for the node itself, every other member one offending child, array
// items by their index. Clients read this tree in the "details" of a 400. Make
// one with NewProblems.
type Problems map[string]any

// errorsMember holds the texts of a node.
const errorsMember = "_errors"

// NewProblems returns a tree with nothing in it.
func NewProblems() Problems { return Problems{errorsMember: []string{}} }

// Empty reports whether nothing was found wrong.
func (p Problems) Empty() bool { return len(p) == 1 && len(p.here()) == 0 }

// Add notes a problem at a path of member names and array indexes.
func (p Problems) Add(path []string, text string) {
	for _, name := range path {
		if name == errorsMember { // a client's own name may be that of the texts
			break
		}
		child, known := p[name].(Problems)
		if !known {
			child = NewProblems()
			p[name] = child
		}
		p = child
	}
	p[errorsMember] = append(p.here(), text)
}

// Err is nil when nothing was found wrong, else the 400 that says what was.
func (p Problems) Err() error {
	if p.Empty() {
		return nil
	}
	return &api.Error{Status: http.StatusBadRequest, Message: "Invalid request", Code: api.CodeValidation, Details: p}
}

// Invalid is the error for one member that a handler itself refuses.
func Invalid(text string, path ...string) error {
	problems := NewProblems()
	problems.Add(path, text)
	return problems.Err()
}

// here are the texts about the node itself.
func (p Problems) here() []string {
	texts, _ := p[errorsMember].([]string)
	return texts
}

// has reports whether something is already noted at path, below it, or about
// something it lies in.
func (p Problems) has(path []string) bool {
	for _, name := range path {
		if len(p.here()) > 0 {
			return true
		}
		child, known := p[name].(Problems)
		if !known {
			return false
		}
		p = child
	}
	return !p.Empty()
}
