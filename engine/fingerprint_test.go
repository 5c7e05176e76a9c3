package engine

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestFingerprint: what failed alike has the same one, and what did not has
// another.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	for name, alike := range map[string][]string{
		"numbers and quotes": {
			`page 3 of "a.pdf": object 12 0 is not a stream`,
			"page 14 of \"b.pdf\": object 9 0 is not a stream\n  at extract (12:3)",
		},
		"addresses":  {"dial tcp 10.0.0.7:8080: refused", "dial tcp 10.0.0.12:80: refused"},
		"ids":        {"run trun_0192f3c4da7b8 gone", "run trun_0192f3c4da7ff gone"},
		"uuids":      {"no 1b4e28ba-2fa1-11d2-883f-0016d3cca427", "no 9b4e28ba-2fa1-11d2-883f-0016d3cca428"},
		"memory":     {"fault at 0xdeadbeef", "fault at 0x12"},
		"words":      {"worker7 of rack12", "worker13 of rack1"},
		"quoted":     {"no such file 'a'", "no such file 'b'"},
		"apostrophe": {"can't open 'a' now", "can't open 'b' now"},
		"times":      {"at 12:04:33 it ended", "at 9:04:01 it ended"},
	} {
		for _, text := range alike {
			if got, want := Fingerprint(text), Fingerprint(alike[0]); got != want {
				t.Errorf("%s: %q and %q differ: %q %q", name, alike[0], text, want, got)
			}
		}
	}
	for _, pair := range [][2]string{
		{"not a stream", "not a table"}, {"can't open it", "can't read it"}, {"E_TIMEOUT", "E_CANCELLED"},
		{"connection_refused by peer", "connection_timedout by peer"},
	} {
		if Fingerprint(pair[0]) == Fingerprint(pair[1]) {
			t.Errorf("%q and %q are the same: %q", pair[0], pair[1], Fingerprint(pair[0]))
		}
	}
	if got := Fingerprint(`page 3 of "a": object 12 0`); got != "page … of …: object … …" {
		t.Errorf("got %q", got)
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add("page 3 of 'a': \"b")
	f.Add(strings.Repeat("ü", 400))
	f.Fuzz(func(t *testing.T, text string) {
		if got := Fingerprint(text); len(got) > fingerprintMost || !utf8.ValidString(got) || strings.Contains(got, "\n") {
			t.Errorf("%q has %q", text, got)
		}
	})
}

func BenchmarkFingerprint(b *testing.B) {
	text := `page 14 of "b.pdf" of run trun_0192f3c4da7b8 at 10.0.0.7:8080: object 9 0 is not a stream`
	for b.Loop() {
		Fingerprint(text)
	}
}
