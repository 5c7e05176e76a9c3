package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/pipeline"
)

// The texts are written as encoding/json writes them, and read in any form.
func TestUpstreamRefs_JSON(t *testing.T) {
	t.Parallel()
	refs := UpstreamRefs{
		{Task: "z", OutputPath: "runs/1/z.json"},
		{Task: "a\"\\<é>\u2028\x00\x7f", OutputPath: "runs/ü/ & <b>.json", SHA256: "ab01"},
		{Task: "b", OutputPath: "", SHA256: "ff", Assets: map[string]Asset{"}k\"{": {Path: "p", Size: 7, Type: "text"}}},
	}
	got, err := refs.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	want.WriteByte('{')
	for i, ref := range refs {
		key, _ := json.Marshal(ref.Task)
		value, _ := json.Marshal(ref)
		want.WriteString(map[bool]string{true: ","}[i > 0])
		fmt.Fprintf(&want, "%s:%s", key, value)
	}
	want.WriteByte('}')
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("encoded (-want +got):\n%s", diff)
	}
	var spread bytes.Buffer
	if err := json.Indent(&spread, got, "", "\t"); err != nil {
		t.Fatal(err)
	}
	plain := UpstreamRefs{{Task: " a", OutputPath: " o/{a},b: ", SHA256: "ff"}, {Task: "b"}}
	text, _ := plain.MarshalJSON()
	for text, want := range map[string]UpstreamRefs{
		string(got): refs, spread.String(): refs, string(text): plain,
		` { " a" : { "sha256": "ff", "outputPath" : " o/{a},b: " } , "b":{}} `: plain,
	} {
		var back UpstreamRefs
		if err := json.Unmarshal([]byte(text), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, back); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
	}
	var none UpstreamRefs
	for _, text := range []string{"null", "{}"} {
		if err := json.Unmarshal([]byte(text), &none); err != nil || len(none) != 0 {
			t.Errorf("%s: %v, %v", text, none, err)
		}
	}
	for _, text := range []string{`{"a":1}`, `{"a":{"outputPath":1}}`, `{"a"`, `{"a":{"outputPath":"x"},}`, `{"a":{"outputPath":"x",}}`} {
		if err := none.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is taken for upstream refs", text)
		}
	}
}

func BenchmarkUpstreamRefs(b *testing.B) {
	var refs UpstreamRefs
	for i := range 200 {
		refs = append(refs, Upstream{Task: pipeline.TaskID(fmt.Sprintf("step-%03d", i)), OutputPath: fmt.Sprintf("runs/prun_01jd0000000000000000000000/trun_%026d-a1/output.json", i)})
	}
	text, _ := refs.MarshalJSON()
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			_, _ = refs.MarshalJSON()
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			var back UpstreamRefs
			_ = back.UnmarshalJSON(text)
		}
	})
}
