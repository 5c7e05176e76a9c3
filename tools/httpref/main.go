// Command httpref writes the reference page of an HTTP interface from its
// table of routes: that of the control plane, or of the daemon of a host.
//
//	go run ./tools/httpref controlplane|local OUTPUT.md
package main

import (
	"fmt"
	"os"

	"pipedai/controlplane"
	"pipedai/daemon/localapi"
)

//go:generate go run . controlplane ../../docs/http.md
//go:generate go run . local ../../docs/local-api.md

func main() {
	pages := map[string]func() (string, error){"controlplane": controlplane.Reference, "local": localapi.Reference}
	if len(os.Args) != 3 || pages[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: httpref controlplane|local OUTPUT.md")
		os.Exit(2)
	}
	text, err := pages[os.Args[1]]()
	if err == nil {
		err = os.WriteFile(os.Args[2], []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "httpref:", err)
		os.Exit(1)
	}
}
