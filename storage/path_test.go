package storage

import (
	"errors"
	"strings"
	"testing"
)

func TestCleanPath_S1_hostileKeys(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"a", "runs/prun_1/outputs/trun_1.2.json", "pipelines/p/input.json",
		"runs/r/assets/Übersicht 1.pdf", "a/.hidden", "a/console.txt", "a/com10", "100%/x",
	} {
		if got, err := CleanPath(path); err != nil || got != path {
			t.Errorf("CleanPath(%q) = %q, %v; want it unchanged", path, got, err)
		}
	}
	for _, path := range []string{
		"", "/", "/etc/passwd", "../x", "a/../../b", "a/..", "./a", "a//b", "a/",
		`..\x`, `a\b`, "%2e%2e/x", "a%2Fb", "a%5cb", "a\x00b", "a\nb", `C:\x`, "C:x", "a:b",
		"CON", "a/con.txt", "NUL", "lpt1", "COM¹", "a/b.", "a/b ", "\xff",
		strings.Repeat("a/", 1024), strings.Repeat("a", 256),
	} {
		if got, err := CleanPath(path); !errors.Is(err, ErrBadPath) {
			t.Errorf("CleanPath(%q) = %q, %v; want ErrBadPath", path, got, err)
		}
	}
}

func TestCheckAssetKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a", "table-1.csv", "page_2.JSON", "A.tar.gz"} {
		if err := CheckAssetKey(key); err != nil {
			t.Errorf("CheckAssetKey(%q): %v", key, err)
		}
	}
	for _, key := range []string{"", ".", "..", ".hidden", "a/b", `a\b`, "a b", "ä", "a.", "nul", "a%2fb", strings.Repeat("a", 256)} {
		if err := CheckAssetKey(key); !errors.Is(err, ErrBadPath) {
			t.Errorf("CheckAssetKey(%q) = %v; want ErrBadPath", key, err)
		}
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		PipelineInputPath("prun_1"):              "pipelines/prun_1/input.json",
		StandaloneInputPath("trun_1"):            "standalone/trun_1/input.json",
		OutputPath("prun_1", "trun_1.2"):         "runs/prun_1/outputs/trun_1.2.json",
		AssetPath("prun_1", "trun_1.2", "a.csv"): "runs/prun_1/assets/trun_1.2/a.csv",
		LogsPath("prun_1", "trun_1.2"):           "runs/prun_1/logs/trun_1.2.jsonl",
		OutputPath("", "trun_1"):                 "runs/trun_1/output.json",
		AssetPath("", "trun_1", "a.csv"):         "runs/trun_1/assets/a.csv",
		LogsPath("", "trun_1"):                   "runs/trun_1/logs.jsonl",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if _, err := CleanPath(got); err != nil {
			t.Errorf("a path of the layout is refused: %v", err)
		}
	}
}

func FuzzCleanPath(f *testing.F) {
	f.Add("../x")
	f.Add("a/b")
	f.Fuzz(func(t *testing.T, path string) {
		clean, err := CleanPath(path)
		if err != nil {
			return
		}
		if clean != path || strings.Contains("/"+clean+"/", "/../") || clean[0] == '/' {
			t.Errorf("CleanPath(%q) = %q", path, clean)
		}
	})
}
