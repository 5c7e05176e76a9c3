package cliutil

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "abc": 3, "é": 1, "e\u0301": 1, "漢字": 4, "한글": 4, "🚀": 2, "a\u200db": 2, "\x1b[31mred\x1b[0m": 3} {
		if got := Width(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	const text = "Control  https://a-long-name.example.com  not reachable; last reached 3m ago"
	want := "Control  https://a-long-name.example.com\n         not reachable; last reached 3m\n         ago"
	if got := Wrap(text, 40, 9); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, width := range []int{0, 10, 200} {
		if got := Wrap(text, width, 9); got != text {
			t.Errorf("width %d: got %q", width, got)
		}
	}
	long := "see " + strings.Repeat("x", 90) + " now"
	if got := Wrap(long, 40, 2); got != "see\n  "+strings.Repeat("x", 90)+"\n  now" {
		t.Errorf("a long word: got %q", got)
	}
}

// No table is wider than its terminal, whatever names people give.
func TestFitTable_C7_narrow(t *testing.T) {
	t.Parallel()
	columns := []Column{{Head: "WORKER"}, {Head: "STATE"}, {Head: "PID", Spare: 2}, {Head: "ID", Spare: 3}}
	rows := [][]string{
		{"build-box", "running", "123", "w_0123456789abcdef0123"},
		{strings.Repeat("漢字", 20), "backing-off", "-", "w_1"},
		{"e\u0301t\u00e9 🚀 with blanks\nand a line", "stopped", "4711", strings.Repeat("x", 128)},
	}
	for _, width := range []int{20, 40, 79, 80, 200} {
		var out bytes.Buffer
		if err := FitTable(&out, width, columns, rows, false); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		if len(lines) != 4 || !strings.HasPrefix(lines[0], "WORKER") || !strings.Contains(lines[0], "STATE") {
			t.Errorf("width %d:\n%s", width, out.String())
		}
		for _, line := range lines {
			if Width(line) > width {
				t.Errorf("width %d: %q takes %d", width, line, Width(line))
			}
		}
	}
	var piped bytes.Buffer
	if err := FitTable(&piped, 0, columns, rows[:1], true); err != nil || piped.String() != "build-box\trunning\t123\tw_0123456789abcdef0123\n" {
		t.Errorf("piped: %q, %v", piped.String(), err)
	}
}

// What is twice as long takes about twice as long, not four times.
func TestText_C12_linear(t *testing.T) {
	t.Parallel()
	took := func(n int) time.Duration {
		text := strings.Repeat("(a+)+$ ", n)
		best := time.Hour
		for range 3 {
			begin := time.Now()
			_ = Wrap(text, 80, 9)
			_ = shorten(text, 40)
			_ = Printable(text)
			best = min(best, time.Since(begin))
		}
		return best
	}
	short, long := took(20_000), took(160_000)
	if long > 40*short+50*time.Millisecond {
		t.Errorf("8 times the text took %s instead of %s", long, short)
	}
}

func ExampleWrap() {
	fmt.Println(Wrap("Home     /a/folder with a rather long name", 32, 9))
	// Output:
	// Home     /a/folder with a rather
	//          long name
}
