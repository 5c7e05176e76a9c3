package lines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

type found struct {
	text string
	at   int64
}

// want is what a reader must find, by the plainest means.
func want(text string, rest bool) []found {
	var out []found
	at := int64(0)
	for text != "" {
		line, after, whole := strings.Cut(text, "\n")
		if whole || rest {
			out = append(out, found{line, at})
		}
		at += int64(len(line)) + 1
		text = after
	}
	return out
}

// Whatever the lines are and wherever it begins, it finds every line once.
func TestFile(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	choice := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		var text strings.Builder
		for range choice.IntN(40) {
			text.WriteString(strings.Repeat(string(rune('a'+choice.IntN(26))), []int{0, 1, 70, 5_000, Block - 1, 2*Block + 3}[choice.IntN(6)]))
			text.WriteByte('\n')
		}
		if choice.IntN(2) == 0 {
			text.WriteString("unended")
		}
		for _, rest := range []bool{false, true} {
			all := want(text.String(), rest)
			f := File{R: strings.NewReader(text.String()), Size: int64(text.Len()), Rest: rest}
			from := int64(choice.IntN(text.Len() + 2))
			if choice.IntN(3) == 0 && len(all) > 0 {
				from = all[choice.IntN(len(all))].at
			}
			var forward, backward []found
			if done, err := f.Forward(t.Context(), from, func(raw []byte, at int64) bool {
				forward = append(forward, found{string(raw), at})
				return true
			}); done || err != nil {
				t.Fatal(done, err)
			}
			if done, err := f.Backward(t.Context(), from, func(raw []byte, at int64) bool {
				backward = append(backward, found{string(raw), at})
				return true
			}); done || err != nil {
				t.Fatal(done, err)
			}
			slices.Reverse(backward)
			cut := slices.IndexFunc(all, func(l found) bool { return l.at >= from })
			if cut < 0 {
				cut = len(all)
			}
			if !slices.Equal(backward, all[:cut]) || !slices.Equal(forward, all[cut:]) {
				t.Fatalf("from %d of %d (rest %t): %d lines before it and %d behind it, want %d and %d",
					from, text.Len(), rest, len(backward), len(forward), cut, len(all)-cut)
			}
		}
	}
}

func TestFile_stops(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("line\n", 100)
	f := File{R: bytes.NewReader([]byte(text)), Size: int64(len(text))}
	n := 0
	each := func([]byte, int64) bool { n++; return n%3 != 0 }
	if done, err := f.Forward(t.Context(), 0, each); !done || err != nil || n != 3 {
		t.Error(done, err, n)
	}
	if done, err := f.Backward(t.Context(), f.Size, each); !done || err != nil || n != 6 {
		t.Error(done, err, n)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Forward(over, 0, each); !errors.Is(err, ErrTime) {
		t.Error(err)
	}
	if _, err := f.Backward(over, f.Size, each); !errors.Is(err, ErrTime) {
		t.Error(err)
	}
	broken := File{R: failing{}, Size: 10}
	if _, err := broken.Forward(t.Context(), 0, each); !errors.Is(err, errBroken) {
		t.Error(err)
	}
	if _, err := broken.Backward(t.Context(), 10, each); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

var errBroken = fmt.Errorf("broken")

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errBroken }
