package cli

import (
	"encoding/json"
	"testing"
)

// FuzzDefinitions: whatever a file holds, reading it ends with pipelines that
// can be sent or with a sentence.
func FuzzDefinitions(f *testing.F) {
	for _, seed := range []string{
		"id: a\nentryTasks: [x]\n", "pipelines:\n- id: a\n- id: b\n  metadata: {team: x, n: .inf}\n", "- id: a\n- id: a\n", "---\n# nothing\n---\nid: a\n",
		`{"id":"a","entryTasks":["x"],"metadata":{"a":{"b":[1,null]}}}`, "id: &x a\nname: *x\n", "a: &a [*a]\n", "id: a\nmetadata: {1: 2, [x]: y, <<: {id: b}}\n",
		"id: a\nnope: 1\n", "id: !!binary aGk=\n", "%YAML 9.9\n---\nid: a\n", "\xff\xfe", "id: a\nmetadata: {t: 2001-01-01, big: 1e999}\n", "? |\n  id\n: a\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		defs, err := parseDefinitions(data)
		if err != nil {
			if err.Error() == "" {
				t.Error("refused without a word")
			}
			return
		}
		for _, def := range defs {
			sent, err := def.wire()
			if err != nil {
				continue
			}
			if _, err := json.Marshal(sent); err != nil {
				t.Errorf("pipeline %q was read and cannot be sent: %v", def.ID, err)
			}
		}
	})
}
