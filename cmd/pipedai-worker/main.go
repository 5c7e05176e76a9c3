// Command pipedai-worker does the tasks of pipelines on this host.
package main

import (
	"context"
	"os"

	"pipedai/cmd/pipedai-worker/cli"
	"pipedai/internal/cliutil"
)

func main() { os.Exit(cli.Main(context.Background(), os.Args[1:], cliutil.System())) }
