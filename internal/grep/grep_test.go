package grep

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/quick"
)

func TestFinder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		find  *Finder
		line  string
		holds bool
	}{
		{nil, "anything", true},
		{Text("", false), "anything", true},
		{Text("Error", false), "an Error", true},
		{Text("Error", false), "an error", false},
		{Text("eRRor", true), "an ERROR", true},
		{Text("über", true), "ÜBER", true},
		{Text("kilo", true), "\u212aILO", true}, // the Kelvin sign is a K
		{Text("kilo", false), "\u212ailo", false},
		{Text("DISKS", true), "di\u017f\u212a\u017f", true},
		{Text("a.b", false), "aXb", false},
		{Text("INFO: ready", false), "\x1b[32mINFO\x1b[0m: ready", true},
		{Text("\x1b[32mIN", false), "\x1b[32mINFO", true}, // as it is, too
		{Text("rest", false), "\x1b]0;no end, and the rest", true},
		{Text("title", false), "\x1b]0;title\aline", true},
		{Text("ab", false), "a\x1b]0;title\ab", true},
		{Pattern(regexp.MustCompile(`^ready$`)), "\x1b[1mready\x1b[0m", true},
		{Pattern(regexp.MustCompile(`time(d)? ?out`)), "it timed out", true},
		{Pattern(regexp.MustCompile(`time(d)? ?out`)), "it took time", false},
		{Pattern(regexp.MustCompile(`(?i)needle|PIN`)), "a pIn", true},
		{Pattern(regexp.MustCompile(`Needle|(?i:pin)`)), "a Needle", true},
		{Pattern(regexp.MustCompile(`Needle|(?i:pin)`)), "a needle", false},
		{Pattern(regexp.MustCompile(`Ü|(?i:pin)`)), "Ü", true},
		{Pattern(regexp.MustCompile(`x*`)), "", true},
	} {
		if got := c.find.In([]byte(c.line)); got != c.holds {
			t.Errorf("%+v in %q: %t", c.find, c.line, got)
		}
	}
}

// What is looked for first never hides a line that matches.
func TestPattern_agreesWithTheExpression(t *testing.T) {
	t.Parallel()
	for _, expr := range []string{
		`abc`, `a+b`, `(ab|cd)e`, `(?i)Kas`, `(?i)bab|dc`, `a{2,3}b`, `[ab]c`, `a?b?`, `^ab`, `b$`, `(a|)b`, `(?i:a)b`, `a.c`, `(ab)*c`, `\x{FFFD}b`,
	} {
		pattern := regexp.MustCompile(expr)
		f := Pattern(pattern)
		agree := func(picks []byte) bool {
			letters := []string{"a", "b", "c", "d", "e", "A", "B", "K", "k", "\u212a", "S", "\u017f", "\xff", "D"}
			var line strings.Builder
			for _, p := range picks {
				line.WriteString(letters[int(p)%len(letters)])
			}
			return f.In([]byte(line.String())) == pattern.MatchString(line.String())
		}
		if err := quick.Check(agree, &quick.Config{MaxCount: 500}); err != nil {
			t.Errorf("%s, looking for %q first: %v", expr, f.literals, err)
		}
	}
}

func TestNeeded(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`time(d)? ?out`:    "[time]",
		`Needle|Pin`:       "[Needle Pin]",
		`(?i)Needle and`:   "[needle and]",
		`foo.*barbaz`:      "[barbaz]",
		`\d+`:              "[]",
		`a|\d`:             "[]",
		`(?i)disk`:         "[disk]",
		`(connection )+re`: "[connection ]",
	} {
		literals, _ := needed(expr)
		if got := fmt.Sprintf("%s", literals); got != want {
			t.Errorf("%s needs %s, want %s", expr, got, want)
		}
	}
}

func TestPlain(t *testing.T) {
	t.Parallel()
	bomb := bytes.Repeat([]byte("\x1b[1;2;3;4;5;"), 50_000)
	if got := Plain(slices.Concat([]byte("begin"), bomb)); string(got) != "begin" {
		t.Errorf("of a bomb %d bytes are left", len(got))
	}
	if got := Plain([]byte("\x1b[31mred\x1b[0m \x1b[2K\x1b(Bplain\x1b")); string(got) != "red Bplain" {
		t.Errorf("%q", got)
	}
	line := []byte("nothing of it")
	if got := Plain(line); &got[0] != &line[0] {
		t.Error("a plain line is copied")
	}
}
