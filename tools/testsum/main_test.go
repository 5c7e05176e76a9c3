package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in       string
		code     int
		contains []string
		hides    []string
	}{
		"all pass": {
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"chatty\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"p","Elapsed":0.2}
`,
			contains: []string{"ok        0.2s  p\n", "\n1 passed, 0 failed\n"},
			hides:    []string{"chatty"},
		},
		"a failure shows its output": {
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":0.1}
{"Action":"fail","Package":"p","Elapsed":0.2}
`,
			code:     1,
			contains: []string{"--- FAIL: p TestA", "got 1, want 2", "\n1 passed, 1 failed\n"},
			hides:    []string{"=== RUN"},
		},
		"the end says how a failure began": {
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: got 1, want 2\n"}
` + strings.Repeat(`{"Action":"output","Package":"p","Test":"TestA","Output":"        a line of a log\n"}
`, 50) + `{"Action":"output","Package":"p","Test":"TestA","Output":"        its last\n"}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"fail","Package":"p","Elapsed":0.2}
`,
			code: 1,
			contains: []string{"its last\n", "\nfailed: p TestA\n    a_test.go:3: got 1, want 2\n" +
				strings.Repeat("        a line of a log\n", 9) + "0 passed, 1 failed\n"},
		},
		"a package that does not build counts": {
			in: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"p/a.go:1: undefined: x\n"}
{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p [p.test]"}
`,
			code:     1,
			contains: []string{"undefined: x", "broken: p", "\n0 passed, 1 failed\n"},
		},
		"a crash shows what was running": {
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"p","Elapsed":9}
`,
			code:     1,
			contains: []string{"did not end: TestA", "panic: test timed out", "0 passed, 1 failed\n"},
		},
		"skipped tests are named": {
			in: `{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Elapsed":0.2}
`,
			contains: []string{"skipped: p TestA", "1 passed, 0 failed, 1 skipped\n"},
		},
		"the slowest are named, the slowest first": {
			in: `{"Action":"pass","Package":"p","Test":"TestA/one","Elapsed":2.5}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":9.5}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":4}
{"Action":"pass","Package":"p","Test":"TestC","Elapsed":0.9}
{"Action":"pass","Package":"p","Elapsed":5.2}
{"Action":"pass","Package":"q","Test":"TestD","Elapsed":7}
{"Action":"output","Package":"q","Output":"ok  \tq\t(cached)\n"}
{"Action":"pass","Package":"q","Elapsed":7}
`,
			contains: []string{"\nslowest packages:\n      5.2s  p\nslowest tests:\n      4.0s  p TestB\n      2.5s  p TestA/one\n5 passed, 0 failed\n"},
			hides:    []string{"TestC", "TestD", "9.5s"},
		},
		"plain text passes through": {
			in:       "go: updates to go.mod needed\n",
			code:     1,
			contains: []string{"go: updates to go.mod needed\n", "0 passed, 0 failed\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if code := run(strings.NewReader(tc.in), &out); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			for _, want := range tc.contains {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, out.String())
				}
			}
			for _, hidden := range tc.hides {
				if strings.Contains(out.String(), hidden) {
					t.Errorf("output has %q:\n%s", hidden, out.String())
				}
			}
		})
	}
}
