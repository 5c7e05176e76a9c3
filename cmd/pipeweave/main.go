// Pipeweave is the control plane: `pipeweave serve` runs it, every other
// command talks to one.
package main

import (
	"context"
	"os"

	"pipedai/cmd/pipeweave/cli"
	"pipedai/internal/cliutil"
)

func main() { os.Exit(cli.Main(context.Background(), os.Args[1:], cliutil.System())) }
