// Command tstypes writes the TypeScript types of the wire from the structs of
// package api, so that the pages and the servers cannot drift apart.
//
//	go run ./tools/tstypes API_FOLDER OUTPUT.ts
package main

import (
	"fmt"
	"os"
)

//go:generate go run . ../../api ../../web/src/api/types.ts

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: tstypes API_FOLDER OUTPUT.ts")
		os.Exit(2)
	}
	text, err := Generate(os.Args[1])
	if err == nil {
		err = os.WriteFile(os.Args[2], []byte(text), 0o644) //nolint:gosec // a source file, as public as the others
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tstypes:", err)
		os.Exit(1)
	}
}
