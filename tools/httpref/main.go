// Command httpref writes the reference page of the control plane's HTTP
// interface from its table of routes.
//
//	go run ./tools/httpref OUTPUT.md
package main

import (
	"fmt"
	"os"

	"pipedai/controlplane"
)

//go:generate go run . ../../docs/http.md

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: httpref OUTPUT.md")
		os.Exit(2)
	}
	text, err := controlplane.Reference()
	if err == nil {
		err = os.WriteFile(os.Args[1], []byte(text), 0o644) //nolint:gosec // a document, as public as the others
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "httpref:", err)
		os.Exit(1)
	}
}
