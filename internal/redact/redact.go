// Package redact takes secrets out of text by their value.
package redact

import (
	"bytes"
	"slices"
	"strings"
)

const (
	// MinLength is the length in bytes below which a secret is refused: a text
	// as short as that also stands where no secret is meant, and taking it out
	// would destroy the text around it.
	MinLength = 8
	// Mask stands where a secret was.
	Mask = "***"

	// anchor is how much of a secret must be seen to know it. It bounds the work
	// per position, so that a search is linear however long the secrets are.
	anchor = 512
)

// Set is what is to be taken out. The zero value and nil take out nothing. A
// Set does not change and may be used by many at a time.
//
// The search looks at two bytes of the text for every few (Wu and Manber): a
// table tells for each pair how far the next secret can begin.
type Set struct {
	secrets []string            // by length, the longest first
	window  int                 // bytes that decide how far to go on
	shift   []uint8             // by pair of bytes
	starts  map[uint16][]string // by the last pair of the window
}

// New makes a Set. A secret of several lines counts as its lines, because text
// is searched by line. It returns how many secrets were refused for being
// shorter than MinLength; empty ones do not count.
func New(secrets ...string) (set *Set, refused int) {
	s := &Set{}
	for _, secret := range secrets {
		// Of several lines, a short one ("}", "-----") is ordinary text; it is
		// the whole that decides whether anything was refused.
		used, empty := false, true
		for line := range strings.SplitSeq(secret, "\n") {
			line = strings.TrimSpace(line)
			empty = empty && line == ""
			if len(line) >= MinLength && !plain(line) {
				s.secrets = append(s.secrets, line)
				used = true
			}
		}
		if !used && !empty {
			refused++
		}
	}
	slices.SortFunc(s.secrets, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	s.secrets = slices.Compact(s.secrets)
	s.build()
	return s, refused
}

// plain tells whether a text is one byte repeated: a ruler, not a secret.
func plain(text string) bool { return strings.Count(text, text[:1]) == len(text) }

func (s *Set) build() {
	if len(s.secrets) == 0 {
		return
	}
	s.window = min(len(s.secrets[len(s.secrets)-1]), 32)
	s.shift = bytes.Repeat([]byte{byte(s.window - 1)}, 1<<16)
	s.starts = map[uint16][]string{}
	for _, secret := range s.secrets {
		for i := range s.window - 1 {
			at := pair(secret[i], secret[i+1])
			s.shift[at] = min(s.shift[at], uint8(s.window-2-i))
		}
		end := pair(secret[s.window-2], secret[s.window-1])
		s.starts[end] = append(s.starts[end], secret)
	}
}

func pair(a, b byte) uint16 { return uint16(a)<<8 | uint16(b) }

// Empty reports whether there is nothing to take out.
func (s *Set) Empty() bool { return s == nil || len(s.secrets) == 0 }

// In reports whether text holds a secret, or the first anchor bytes of one.
func (s *Set) In(text []byte) bool {
	if s.Empty() {
		return false
	}
	at, _ := s.find(text, 0)
	return at >= 0
}

// find returns where the first secret at or after from begins, and the longest
// end of those that begin there; -1 when there is none.
func (s *Set) find(text []byte, from int) (at, end int) {
	for i := from + s.window - 1; i < len(text); {
		p := pair(text[i-1], text[i])
		if skip := s.shift[p]; skip > 0 {
			i += int(skip)
			continue
		}
		begin := i - s.window + 1
		end = begin
		for _, secret := range s.starts[p] {
			end = max(end, begin+known(text[begin:], secret))
		}
		if end > begin {
			return begin, end
		}
		i++
	}
	return -1, -1
}

// known returns how many bytes of a secret text begins with, if they are
// enough to know it; 0 otherwise.
func known(text []byte, secret string) int {
	enough := min(len(secret), anchor)
	if len(text) < enough || string(text[:enough]) != secret[:enough] {
		return 0
	}
	return common(text, secret)
}

// common returns how many bytes two texts share at their beginning.
func common(text []byte, secret string) int {
	n := min(len(text), len(secret))
	if string(text[:n]) == secret[:n] {
		return n
	}
	for i := range n {
		if text[i] != secret[i] {
			return i
		}
	}
	return n
}

// Append appends text without the secrets to dst. Secrets that overlap by up to
// anchor bytes go together.
func (s *Set) Append(dst, text []byte) []byte {
	if s.Empty() {
		return append(dst, text...)
	}
	done, masked := 0, -1
	for next := 0; ; {
		at, end := s.find(text, next)
		if at < 0 {
			return append(dst, text[done:]...)
		}
		if at > masked {
			dst = append(append(dst, text[done:at]...), Mask...)
		}
		masked = max(masked, end)
		// What overlaps a secret may begin anywhere in it. Looked for in its last
		// anchor bytes alone: in a long one that repeats itself every position may
		// be a beginning.
		done, next = masked, max(at+1, masked-anchor)
	}
}

// Text is Append for a string.
func (s *Set) Text(text string) string {
	if s.Empty() || !s.In([]byte(text)) {
		return text
	}
	return string(s.Append(nil, []byte(text)))
}

// Begun returns where in text a secret may begin that goes on beyond its end;
// len(text) when none does. A text that is cut must be cut there.
func (s *Set) Begun(text []byte) int {
	if s.Empty() {
		return len(text)
	}
	first := len(text)
	for _, secret := range s.secrets {
		for i := max(0, len(text)-len(secret)+1); i < first; {
			j := bytes.IndexByte(text[i:first], secret[0])
			if j < 0 {
				break
			}
			i += j
			if string(text[i:]) == secret[:len(text)-i] {
				first = i
				break
			}
			i++
		}
	}
	return first
}

// Rest is what of a secret is still to come after a text that ended within it,
// see Within.
type Rest string

// Within returns the rest of the secret that the whole of text is the
// beginning of; "" when it is none.
func (s *Set) Within(text []byte) Rest {
	if s.Empty() || len(text) == 0 {
		return ""
	}
	for _, secret := range s.secrets {
		if len(secret) > len(text) && secret[:len(text)] == string(text) {
			return Rest(secret[len(text):])
		}
	}
	return ""
}

// Skip returns how many bytes of text belong to r, and what of it is left when
// text ends before it.
func (r Rest) Skip(text []byte) (n int, left Rest) {
	n = common(text, string(r))
	if n == len(text) && n < len(r) {
		return n, r[n:]
	}
	return n, ""
}
