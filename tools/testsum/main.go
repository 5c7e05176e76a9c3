// Command testsum reads the output of `go test -json` from its standard input
// and prints what a person wants to see: one line per package, the output of
// what failed, then what took longest, and at the end one line with the counts.
//
//	go test -json ./... | testsum
//
// It exits 1 when anything failed, or when nothing ran.
package main

import (
	"io"
	"os"
)

func main() { os.Exit(run(os.Stdin, os.Stdout)) }

func run(in io.Reader, out io.Writer) int {
	s := newSummary(out)
	s.read(in)
	return s.finish()
}
