package oplog

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestLevels: which lines each level of detail has.
func TestLevels(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{
		Minimal: "ready broken", Normal: "ready ticked broken", Detailed: "ready ticked looked broken", "chatty": "ready ticked broken",
	} {
		var out bytes.Buffer
		log := New(&out, level, Text)
		log.Log(t.Context(), Notice, "ready")
		log.Info("ticked")
		log.Debug("looked")
		log.Error("broken", "error", errors.New("x"))
		var got []string
		for line := range strings.Lines(out.String()) {
			for _, word := range strings.Fields(line) {
				if message, is := strings.CutPrefix(word, "msg="); is {
					got = append(got, message)
				}
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: got %q, want %q", level, text, want)
		}
	}
}

// TestForms: the component in brackets for people, members for machines, and
// INFO for a notice everywhere.
func TestForms(t *testing.T) {
	t.Parallel()
	line := func(form string) string {
		var out bytes.Buffer
		New(&out, Normal, form).With(Component, "poller").With("run", "prun_1").Log(t.Context(), Notice, "Tick completed", "task", "a")
		return out.String()
	}
	if got := line(Text); !strings.Contains(got, `level=INFO msg="[poller] Tick completed" run=prun_1 task=a`) {
		t.Errorf("text: got %s", got)
	}
	for form, want := range map[string]map[string]string{
		JSON: {"level": "INFO", "msg": "Tick completed", "component": "poller", "run": "prun_1"},
		GCP:  {"severity": "INFO", "message": "Tick completed", "component": "poller", "task": "a"},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(line(form)), &got); err != nil {
			t.Fatal(err)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: %s is %v, want %s", form, key, got[key], value)
			}
		}
	}
	var out bytes.Buffer
	New(&out, Normal, GCP).LogAttrs(t.Context(), slog.LevelWarn, "odd")
	if !strings.Contains(out.String(), `"severity":"WARNING"`) {
		t.Errorf("a warning: got %s", out.String())
	}
}
