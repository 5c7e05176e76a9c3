// Package cliutil is what the three command lines share: streams, exit codes,
// error texts, tables and signals.
package cliutil

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Streams is the terminal a command runs in. Commands write here and never to
// os.Stdout, so that tests and scripts see what people see.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// InTTY, OutTTY and ErrTTY say where a person is.
	InTTY, OutTTY, ErrTTY bool
	// Plain says that the terminal shows control sequences instead of obeying
	// them, as old consoles do.
	Plain bool
	// Width of the terminal in columns; 0 when output is not a terminal.
	Width int
	// Getenv reads the environment.
	Getenv func(string) string
}

// System returns the process's own streams.
func System() Streams {
	s := Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Getenv: os.Getenv,
	}
	if s.OutTTY {
		s.Plain = !obeys(os.Stdout)
		if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
			s.Width = width
		}
	}
	return s
}

// JSON writes v as indented JSON, the form of every --json.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // people read it, browsers do not
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
