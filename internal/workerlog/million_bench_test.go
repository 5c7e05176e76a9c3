package workerlog

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// million writes a log of a million lines in three files, with the term
// "needle" in the hundred thousandth.
func million(b *testing.B) *Files {
	b.Helper()
	path := filepath.Join(b.TempDir(), "w1.log")
	const all, each = 1_000_000, 400_000
	n := 0
	for i := 2; i >= 0; i-- {
		name := path
		if i > 0 {
			name = Backup(path, i)
		}
		f, err := os.Create(name)
		if err != nil {
			b.Fatal(err)
		}
		w := bufio.NewWriterSize(f, 1<<20)
		var line []byte
		for m := 0; m < each && n < all; m++ {
			n++
			text := fmt.Sprintf("\x1b[32mINFO\x1b[0m worker 12 claimed run run_%08d of pipeline pdf-processor in %d ms", n, n%997)
			if n == 100_000 {
				text = "Needle and thread"
			}
			line = Append(line[:0], began.Add(time.Duration(n)*time.Millisecond), "out", text)
			if _, err := w.Write(line); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	fs, err := Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(fs.Close)
	b.SetBytes(fs.Size())
	return fs
}

// What a reader of a long log waits for: the last lines, a page amid it, and
// the search for a term far up, with the count of all there are.
func BenchmarkMillionLines(b *testing.B) {
	middle := int64(50 << 20)
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"newest", Query{Limit: 1000}},
		{"middle", Query{Limit: 1000, Before: &middle}},
		{"find", Query{Limit: 1, Text: "Needle", Count: true}},
		{"find-none", Query{Limit: 1, Text: "NOTHING_OF_THE_KIND", Count: true}},
		{"find-common", Query{Limit: 1, Text: "run_", Count: true}},
		{"regex", Query{Limit: 1, Pattern: regexp.MustCompile(`Needle|Pin`), Count: true}},
		{"regex-fold", Query{Limit: 1, Pattern: regexp.MustCompile(`(?i)needle and`), Count: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			fs := million(b)
			b.ResetTimer()
			for b.Loop() {
				page, err := fs.Find(b.Context(), c.q)
				if err != nil || page.Partial {
					b.Fatal(page.Partial, err)
				}
			}
		})
	}
}
