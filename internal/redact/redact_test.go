package redact

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Secrets that are too short to be told from ordinary text, one that is huge,
// and some that overlap: none of them destroys a log, and none gets through.
func TestRedact_T7_secretsOfAnyShape(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("0123456789abcdef", 1<<16)
	for _, c := range []struct {
		name       string
		secrets    []string
		text, want string
		refused    int
	}{
		{"one letter", []string{"a", "1"}, "a banana, 1 apple", "a banana, 1 apple", 2},
		{"empty", []string{"", "  "}, "nothing", "nothing", 0},
		{"just long enough", []string{"12345678"}, "x12345678y1234567z", "x***y1234567z", 0},
		{"beginning and end", []string{"s3cr3t-value"}, "s3cr3t-value and s3cr3t-value", "*** and ***", 0},
		{"side by side", []string{"s3cr3t-value"}, "s3cr3t-values3cr3t-value.", "***.", 0},
		{"overlapping", []string{"abcdefghij", "fghijklmno"}, "<abcdefghijklmno>", "<***>", 0},
		{"one in the other", []string{"abcdefgh", "xxabcdefghyy"}, "xxabcdefghyy abcdefgh", "*** ***", 0},
		{"same beginning", []string{"wrk_1234abcd", "wrk_1234abcdefgh"}, "wrk_1234abcd wrk_1234abcdefgh wrk_1234", "*** *** wrk_1234", 0},
		{"of several lines", []string{"-----\nabcdefghijkl\nmnopqrstuvwx\n-----"}, "abcdefghijkl|mnopqrstuvwx|-----", "***|***|-----", 0},
		{"a ruler", []string{"----------"}, "----------------", "----------------", 1},
		{"huge", []string{huge}, "<" + huge + ">", "<***>", 0},
		{"most of the huge one", []string{huge}, "<" + huge[:5000] + ">", "<***>", 0},
		{"binary", []string{"\x00\xff\x01\xfe\x02\xfd\x03\xfc"}, "a\x00\xff\x01\xfe\x02\xfd\x03\xfcb", "a***b", 0},
	} {
		set, refused := New(c.secrets...)
		if got := string(set.Append(nil, []byte(c.text))); got != c.want {
			t.Errorf("%s: %.60q, want %.60q", c.name, got, c.want)
		}
		if set.In([]byte(c.text)) != (c.text != c.want) {
			t.Errorf("%s: In says %v", c.name, c.text == c.want)
		}
		if refused != c.refused {
			t.Errorf("%s: %d refused, want %d", c.name, refused, c.refused)
		}
	}
}

// However the text looks, what comes out is what a plain search would give.
func TestRedact_likeAPlainSearch(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	word := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte("ab"[random.IntN(2)])
		}
		return b.String()
	}
	for range 3000 {
		var secrets []string
		for range 1 + random.IntN(4) {
			secrets = append(secrets, word(8+random.IntN(6)))
		}
		text := word(random.IntN(60))
		set, _ := New(secrets...)
		if got, want := string(set.Append([]byte("="), []byte(text))), "="+plainly(text, set.secrets); got != want {
			t.Fatalf("%q without %q: %q, want %q", text, secrets, got, want)
		}
	}
}

func plainly(text string, secrets []string) string {
	hidden := make([]bool, len(text)+1)
	for _, s := range secrets {
		for i := 0; i+len(s) <= len(text); i++ {
			if text[i:i+len(s)] == s {
				for j := range s {
					hidden[i+j] = true
				}
			}
		}
	}
	var out strings.Builder
	for i := range text {
		switch {
		case !hidden[i]:
			out.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			out.WriteString(Mask)
		}
	}
	return out.String()
}

// A text that is cut is cut before a secret, and what is longer than any piece
// is followed through the pieces.
func TestRedact_acrossPieces(t *testing.T) {
	t.Parallel()
	set, _ := New("s3cr3t-value", "another-secret")
	if got := set.Begun([]byte("text with s3cr3t-v")); got != 10 {
		t.Errorf("begun at %d, want 10", got)
	}
	if got := set.Begun([]byte("plain text.")); got != 11 {
		t.Errorf("begun at %d, want the end", got)
	}
	huge := strings.Repeat("key material / ", 1000)
	set, _ = New(huge)
	rest := set.Within([]byte(huge[:8000]))
	n, left := rest.Skip([]byte(huge[8000:9000]))
	if n != 1000 || string(left) != strings.TrimSpace(huge)[9000:] {
		t.Errorf("skipped %d, %d are left", n, len(left))
	}
	if n, left := left.Skip([]byte("other text")); n != 0 || left != "" {
		t.Errorf("skipped %d of another text, %d are left", n, len(left))
	}
}

// The work grows with the text and not with its product with the secrets.
func TestRedact_T7_linearTime(t *testing.T) {
	t.Parallel()
	worst := strings.Repeat("a", 1<<20)
	var secrets []string
	for i := range 500 {
		secrets = append(secrets, fmt.Sprintf("wrk_%032d", i))
	}
	for name, set := range map[string]*Set{
		"many":      first(New(secrets...)),
		"huge":      first(New(worst + "b")),
		"nearly":    first(New(strings.Repeat("a", 40) + "b")),
		"all of it": first(New("b" + worst)),
	} {
		text := []byte(worst)
		begun := time.Now()
		set.In(text)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%s: %s for a megabyte", name, took)
		}
	}
}

func first(s *Set, _ int) *Set { return s }

func BenchmarkRedact_In(b *testing.B) {
	var secrets []string
	for i := range 500 {
		secrets = append(secrets, fmt.Sprintf("wrk_%x%d", rand.Uint64(), i))
	}
	set, _ := New(secrets...)
	text := []byte(strings.Repeat("2030-02-03 INFO an ordinary line of some program, with words in it and numbers 12345\n", 1000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if set.In(text) {
			b.Fatal("found")
		}
	}
}
