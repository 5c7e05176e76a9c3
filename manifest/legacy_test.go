package manifest_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pipedai/manifest"
)

func TestOpen_ImportsLegacy(t *testing.T) {
	t.Parallel()
	const legacy = `{"version":1,"workers":[
		{"id":"w1","label":"build box","apiUrl":"https://api.example.test/","workspaceId":"ws9","configPath":"/home/u/w1.json","mode":"workspace","desiredState":"enabled","extra":1},
		{"id":"w2","label":"build box","apiUrl":"https://api.example.test/","workspaceId":null,"configPath":"/home/u/w2.json","mode":"pool","desiredState":"disabled"}]}`
	t.Run("once", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write(t, filepath.Join(dir, "manifest.json"), legacy)
		m := open(t, filepath.Join(dir, "manifest.db"))
		second := entry("w2")
		second.Mode, second.WorkspaceID, second.Running, second.Enabled = manifest.ModePool, "", false, false
		got, err := m.Entries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]manifest.Entry{entry("w1"), second}, got, noTimes); diff != "" {
			t.Error(diff)
		}
		if read(t, filepath.Join(dir, "manifest.json.imported")) != legacy {
			t.Error("the old file was not kept as it was")
		}
		if err := m.Remove(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
		m.Close()
		if got, _ := open(t, filepath.Join(dir, "manifest.db")).Entries(t.Context()); len(got) != 1 {
			t.Errorf("after a second open: %+v, want w2 only", got)
		}
	})
	for name, text := range map[string]string{
		"not json":       `{"version":1,`,
		"empty":          ``,
		"other version":  `{"version":2,"workers":[]}`,
		"no state":       `{"version":1,"workers":[{"id":"w1","label":"l","apiUrl":"https://a.test","configPath":"/c","mode":"pool"}]}`,
		"path as id":     strings.Replace(legacy, `"w1"`, `"../w1"`, 1),
		"same id twice":  strings.Replace(legacy, `"w2"`, `"w1"`, 1),
		"trailing bytes": legacy + `{}`,
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "manifest.json"), text)
			m, err := manifest.Open(t.Context(), filepath.Join(dir, "manifest.db"))
			if !errors.Is(err, manifest.ErrLegacy) {
				if err == nil {
					m.Close()
				}
				t.Fatalf("open: %v, want ErrLegacy", err)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 1 || read(t, filepath.Join(dir, "manifest.json")) != text {
				t.Errorf("something was changed: %v %v", left, err)
			}
		})
	}
}
