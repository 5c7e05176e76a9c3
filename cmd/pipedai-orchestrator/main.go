// Command pipedai-orchestrator looks after the workers of a host.
package main

import (
	"context"
	"os"

	"pipedai/cmd/pipedai-orchestrator/cli"
	"pipedai/internal/cliutil"
)

func main() { os.Exit(cli.Main(context.Background(), os.Args[1:], cliutil.System())) }
