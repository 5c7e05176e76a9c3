// Command tstypes writes what the pages and the reference need of the structs
// of package api, so that neither can drift apart from the servers: their
// TypeScript types, and their comments as JSON.
//
//	go run ./tools/tstypes API_FOLDER TYPES.ts COMMENTS.json
package main

import (
	"fmt"
	"os"
)

// internal/openapi/comments.go asks for it in its go:generate line, because the
// reference is made from what this writes: tools/httpref comes after it.

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: tstypes API_FOLDER TYPES.ts COMMENTS.json")
		os.Exit(2)
	}
	for i, generate := range []func(string) (string, error){Generate, Comments} {
		text, err := generate(os.Args[1])
		if err == nil {
			err = os.WriteFile(os.Args[2+i], []byte(text), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "tstypes:", err)
			os.Exit(1)
		}
	}
}
