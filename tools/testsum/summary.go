package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	Elapsed     float64
	ImportPath  string // of build-output and build-fail
	FailedBuild string
}

type key struct{ pkg, test string }

type summary struct {
	out     io.Writer
	output  map[key][]string // of tests and packages that have not ended
	builds  map[string][]string
	passed  int
	failed  int
	skipped []string
	broken  []string // packages that failed without a failed test
	heads   []string // of what failed, for those who read the end of a long log
	inPkg   map[string]int
	clock   *clock
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, output: map[key][]string{}, builds: map[string][]string{}, inPkg: map[string]int{}, clock: newClock()}
}

// read takes events until the input ends. A line that is no event is printed
// as it is: go itself says some things in plain text.
func (s *summary) read(in io.Reader) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) == nil && e.Action != "":
			s.take(e)
		default:
			fmt.Fprintf(s.out, "%s\n", strings.TrimRight(string(line), "\n"))
		}
		if err != nil {
			return
		}
	}
}

func (s *summary) take(e event) {
	at := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		s.builds[e.ImportPath] = append(s.builds[e.ImportPath], e.Output)
	case "output":
		s.output[at] = append(s.output[at], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e)
		} else {
			s.endTest(e)
		}
		delete(s.output, at)
	}
}

func (s *summary) endTest(e event) {
	s.clock.test(e)
	switch e.Action {
	case "pass":
		s.passed++
	case "skip":
		s.skipped = append(s.skipped, e.Package+" "+e.Test)
	case "fail":
		s.failed++
		s.inPkg[e.Package]++
		fmt.Fprintf(s.out, "--- FAIL: %s %s (%.1fs)\n", e.Package, e.Test, e.Elapsed)
		s.print(s.output[key{e.Package, e.Test}])
		s.heads = append(s.heads, fmt.Sprintf("failed: %s %s", e.Package, e.Test))
		s.heads = append(s.heads, head(s.output[key{e.Package, e.Test}])...)
	}
}

// head is how the output of a failed test begins: what it says of itself comes
// before the output of its programs, which may be long.
func head(lines []string) []string {
	const (
		most = 10  // lines
		wide = 400 // bytes of each
	)
	var out []string
	for _, line := range lines {
		if line = strings.TrimRight(line, "\n"); line == "" || frame(line) {
			continue
		}
		if len(out) == most {
			break
		}
		out = append(out, strings.ToValidUTF8(line[:min(len(line), wide)], ""))
	}
	return out
}

func (s *summary) endPackage(e event) {
	s.clock.pkg(e, slices.ContainsFunc(s.output[key{e.Package, ""}], func(line string) bool { return strings.Contains(line, "\t(cached)") }))
	switch e.Action {
	case "pass":
		fmt.Fprintf(s.out, "ok    %7.1fs  %s\n", e.Elapsed, e.Package)
	case "fail":
		fmt.Fprintf(s.out, "FAIL  %7.1fs  %s\n", e.Elapsed, e.Package)
		if s.inPkg[e.Package] > 0 {
			return
		}
		// No test says what went wrong: it did not build, it crashed, TestMain
		// failed, or it ran out of time. What was running then is worth reading.
		s.broken = append(s.broken, e.Package)
		s.print(s.builds[e.FailedBuild])
		s.print(s.output[key{e.Package, ""}])
		for at, lines := range s.output {
			if at.pkg == e.Package && at.test != "" {
				fmt.Fprintf(s.out, "--- did not end: %s\n", at.test)
				s.print(lines)
			}
		}
	}
}

// print writes the output of a test without the lines that only say that it
// started, paused and ended.
func (s *summary) print(lines []string) {
	for _, line := range lines {
		if !frame(line) {
			fmt.Fprint(s.out, line)
		}
	}
}

// frame tells the lines of go test from those of a test.
func frame(line string) bool {
	text := strings.TrimSpace(line)
	return slices.ContainsFunc([]string{"=== ", "--- FAIL", "--- PASS", "FAIL"}, func(p string) bool {
		return strings.HasPrefix(text, p)
	})
}

// finish prints where the time went, once more how each failure began, and the
// counts, and returns the exit code.
func (s *summary) finish() int {
	for _, line := range s.clock.lines() {
		fmt.Fprintln(s.out, line)
	}
	for _, name := range s.skipped {
		fmt.Fprintf(s.out, "skipped: %s\n", name)
	}
	for _, line := range s.heads {
		fmt.Fprintln(s.out, line)
	}
	for _, pkg := range s.broken {
		fmt.Fprintf(s.out, "broken: %s\n", pkg)
	}
	// A package that did not get to run its tests counts as one failure, so
	// that the line never says that nothing failed when something did.
	failed := s.failed + len(s.broken)
	fmt.Fprintf(s.out, "%d passed, %d failed", s.passed, failed)
	if len(s.skipped) > 0 {
		fmt.Fprintf(s.out, ", %d skipped", len(s.skipped))
	}
	fmt.Fprintln(s.out)
	if failed > 0 || s.passed == 0 {
		return 1
	}
	return 0
}
