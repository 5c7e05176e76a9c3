// Command pdf-processor is the example pipeline: it downloads a PDF, reads its
// text and its tables side by side, and summarises what it found.
//
// It shows what a program with several tasks looks like: typed inputs and
// outputs, choosing what runs next, handing files from task to task, progress,
// and errors that say whether trying again helps.
package main

import (
	"os"

	"pipedai/storage/all"
	"pipedai/worker"
)

func main() { os.Exit(worker.Main(tasks(), all.Open)) }
