package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// slowest is how many packages and tests the end of the summary names.
const slowest = 10

// took is how long a package or a test ran. A test that others run beside is
// not charged for the time in which it waited for its turn.
type took struct {
	name    string
	seconds float64
}

// clock collects what ran, and for how long.
type clock struct {
	packages []took
	tests    map[string][]took // of packages that have not ended, by package
	all      []took
	parents  map[key]bool // tests that have tests of their own, which are listed instead
}

func newClock() *clock {
	return &clock{tests: map[string][]took{}, parents: map[key]bool{}}
}

func (c *clock) test(e event) {
	for name := e.Test; ; {
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			break
		}
		name = name[:i]
		c.parents[key{e.Package, name}] = true
	}
	c.tests[e.Package] = append(c.tests[e.Package], took{e.Test, e.Elapsed})
}

// pkg ends a package. What comes from go's cache took no time today.
func (c *clock) pkg(e event, cached bool) {
	if !cached {
		c.packages = append(c.packages, took{e.Package, e.Elapsed})
		for _, t := range c.tests[e.Package] {
			if !c.parents[key{e.Package, t.name}] {
				c.all = append(c.all, took{e.Package + " " + t.name, t.seconds})
			}
		}
	}
	delete(c.tests, e.Package)
}

// lines are the slowest packages and tests, those under a second left out.
func (c *clock) lines() []string {
	var out []string
	for _, list := range []struct {
		what string
		all  []took
	}{{"packages", c.packages}, {"tests", c.all}} {
		slices.SortStableFunc(list.all, func(a, b took) int { return cmp.Compare(b.seconds, a.seconds) })
		for i, t := range list.all[:min(slowest, len(list.all))] {
			if t.seconds < 1 {
				break
			}
			if i == 0 {
				out = append(out, "slowest "+list.what+":")
			}
			out = append(out, fmt.Sprintf("  %7.1fs  %s", t.seconds, t.name))
		}
	}
	return out
}
