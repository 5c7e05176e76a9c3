package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The defects that docs/predecessors.md must answer for: of the older engine,
// and of the older program on hosts, whose numbers begin with an H.
const (
	defects     = 126
	hostDefects = 110
)

var (
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w*)\(`)
	numbered  = regexp.MustCompile(`^H?[0-9]+$`)
	storeCase = regexp.MustCompile(`(?m)^func (\w+)\(f \*fixture\)`)
)

// Proofs names what docs/predecessors.md lacks: a number that is not there
// exactly once, a row without a place to look, a path that does not exist, and a
// test that nobody wrote. A test is TestX, or storetest.x for a case of the
// stores' conformance suite.
func Proofs(root string) ([]string, error) {
	const page = "docs/predecessors.md"
	document, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		return nil, err
	}
	tests, err := testNames(root)
	if err != nil {
		return nil, err
	}
	var out []string
	fail := func(format string, a ...any) { out = append(out, page+": "+fmt.Sprintf(format, a...)) }
	seen := map[string]int{}
	for line := range strings.Lines(string(document)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		n := strings.TrimSpace(cells[0])
		if len(cells) < 2 || !numbered.MatchString(n) {
			continue
		}
		seen[n]++
		places := backticked.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 4 || len(places) == 0 {
			fail("row %s must have four cells, and a place in the last", n)
			continue
		}
		for _, place := range places {
			if problem := noProof(root, tests, place[1]); problem != "" {
				fail("row %s: %s", n, problem)
			}
		}
	}
	for _, series := range []struct {
		prefix string
		last   int
	}{{"", defects}, {"H", hostDefects}} {
		for n := range series.last {
			name := series.prefix + strconv.Itoa(n+1)
			if times := seen[name]; times != 1 {
				fail("defect %s is there %d times, want once", name, times)
			}
			delete(seen, name)
		}
	}
	for n := range seen {
		fail("there is no defect %s", n)
	}
	slices.Sort(out)
	return out, nil
}

func noProof(root string, tests map[string]bool, name string) string {
	isTest := strings.HasPrefix(name, "storetest.") || testFunc.MatchString("func "+name+"(")
	switch {
	case isTest && !tests[name]:
		return fmt.Sprintf("there is no test %s", name)
	case isTest:
		return ""
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
		return fmt.Sprintf("%s does not exist", name)
	}
	return ""
}

// testNames are all tests of the tree, and the cases of store/storetest.
func testNames(root string) (map[string]bool, error) {
	out := map[string]bool{}
	err := Files(root, func(name string) error {
		isCase := strings.HasPrefix(name, "store/storetest/")
		if !strings.HasSuffix(name, ".go") || !isCase && !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		for _, match := range testFunc.FindAllSubmatch(data, -1) {
			out[string(match[1])] = true
		}
		if isCase {
			for _, match := range storeCase.FindAllSubmatch(data, -1) {
				out["storetest."+string(match[1])] = true
			}
		}
		return nil
	})
	return out, err
}
