package memo

import (
	"strings"
	"testing"
)

func TestLast(t *testing.T) {
	t.Parallel()
	var last Last[string]
	asked := 0
	upper := func(text []byte) string {
		asked++
		return strings.ToUpper(string(text))
	}
	text := []byte("a")
	for _, want := range []string{"A", "A", "B", "B", "A"} {
		text[0] = want[0] + 'a' - 'A' // the same array: the text is what counts
		if got := last.Of(text, upper); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times about three changes", asked)
	}
	long := []byte(strings.Repeat("x", longest+1))
	last.Of(long, upper)
	if last.Of([]byte("a"), upper); asked != 4 {
		t.Error("a long text is remembered")
	}
}
