package pipeline_test

import (
	"testing"

	"pipedai/pipeline"
)

// FuzzParseWire: every wire id means one attempt of one task run, and no two
// spellings mean the same.
func FuzzParseWire(f *testing.F) {
	for _, seed := range []string{
		"trun_0123456789abcdef", "trun_x.2", "trun_x.1", "trun_x.02", "trun_x.-3", "trun_x.2.3", ".2", "", ".", "x.99999999999999999999", "x.+2", "x.\u0662",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		id, attempt := pipeline.ParseWire(wire)
		if attempt < 1 || id.Wire(attempt) != wire {
			t.Errorf("%q is attempt %d of %q, which is %q on the wire", wire, attempt, id, id.Wire(attempt))
		}
	})
}
