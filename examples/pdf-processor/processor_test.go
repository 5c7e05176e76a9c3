package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"pipedai/worker"
	"pipedai/worker/workertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is known of the committed sample.
const (
	samplePages = 6
	sampleWords = 1075
)

var sampleTables = []TableInfo{
	{Page: 2, Rows: 5, Columns: 3, Header: []string{"State", "Meaning", "Next"}, CSV: "table-1.csv", JSON: "table-1.json"},
	{Page: 3, Rows: 6, Columns: 4, Header: []string{"Setting", "Default", "Unit", "Range"}, CSV: "table-2.csv", JSON: "table-2.json"},
	{Page: 5, Rows: 3, Columns: 3, Header: []string{"Program", "Port", "Data"}, CSV: "table-3.csv", JSON: "table-3.json"},
}

func samplePDF(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/sample.pdf")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func withDocument(data []byte) worker.Local {
	return worker.Local{Input: Input{}, UpstreamAssets: map[string][]byte{assetDocument: data}}
}

func TestDownload_choosesWhatFollows(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs("testdata/sample.pdf")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		input string
		want  []string
	}{
		"absent":   {`{"pdfUrl":"` + path + `"}`, []string{taskText, taskTables}},
		"true":     {`{"pdfUrl":"file://` + path + `","extractTables":true}`, []string{taskText, taskTables}},
		"false":    {`{"pdfUrl":"` + path + `","extractTables":false}`, []string{taskText}},
		"null":     {`{"pdfUrl":"` + path + `","extractTables":null}`, []string{taskText, taskTables}},
		"and more": {`{"pdfUrl":"` + path + `","other":1}`, []string{taskText, taskTables}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := workertest.Run(t, tasks(), taskDownload, worker.Local{Input: json.RawMessage(tt.input)})
			if diff := cmp.Diff(tt.want, result.Next); diff != "" {
				t.Error(diff)
			}
			asset, ok := result.Asset(assetDocument)
			if !ok || asset.Type != worker.Binary || !bytes.Equal(asset.Data, samplePDF(t)) {
				t.Errorf("the document was not kept as it is: %v %s %d bytes", ok, asset.Type, len(asset.Data))
			}
		})
	}
}

func TestDownload_overHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.FileServer(http.Dir("testdata")))
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	got := workertest.Output[Downloaded](t, tasks(), taskDownload, worker.Local{Input: Input{PDFURL: server.URL + "/sample.pdf"}})
	if got.Size != int64(len(samplePDF(t))) || len(got.SHA256) != 64 || !strings.HasSuffix(got.Source, "/sample.pdf") {
		t.Errorf("got %+v", got)
	}
}

func TestDownload_failures(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/html":
			_, _ = w.Write([]byte("<html>not what was promised</html>"))
		case "/404":
			w.WriteHeader(http.StatusNotFound)
		case "/403":
			w.WriteHeader(http.StatusForbidden)
		case "/429":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/503":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/cut":
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write([]byte("%PDF-1.7"))
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, tt := range map[string]struct {
		url, says string
		retryable bool
	}{
		"empty":            {"", "pdfUrl", false},
		"relative":         {"some/file.pdf", "absolute", false},
		"other scheme":     {"ftp://example.com/a.pdf", "ftp", false},
		"other machine":    {"file://elsewhere/a.pdf", "elsewhere", false},
		"missing file":     {"/no/such/file.pdf", "/no/such/file.pdf", false},
		"folder":           {os.TempDir(), "not a file", false},
		"not a PDF":        {server.URL + "/html", "not a PDF", false},
		"404":              {server.URL + "/404", "404 Not Found", false},
		"403":              {server.URL + "/403", "403", false},
		"429":              {server.URL + "/429", "429", true},
		"503":              {server.URL + "/503", "503", true},
		"cut off":          {server.URL + "/cut", "end", true},
		"nobody listening": {closed.URL + "/x.pdf", "does not answer", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := workertest.Try(t, tasks(), taskDownload, worker.Local{Input: Input{PDFURL: tt.url}})
			var failed *worker.TaskError
			if !errors.As(err, &failed) {
				t.Fatalf("got %v, want a TaskError", err)
			}
			if failed.Retryable != tt.retryable || !strings.Contains(failed.Message, tt.says) || failed.Code == "" {
				t.Errorf("got %q, code %q, retryable %t; want it to say %q, retryable %t",
					failed.Message, failed.Code, failed.Retryable, tt.says, tt.retryable)
			}
		})
	}
}

func TestExtractText_sample(t *testing.T) {
	t.Parallel()
	result := workertest.Run(t, tasks(), taskText, withDocument(samplePDF(t)))
	var got TextFound
	if err := result.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Pages != samplePages || got.Words != sampleWords || got.Title != "Pipelines on Your Own Machines" {
		t.Errorf("got %d pages, %d words, title %q", got.Pages, got.Words, got.Title)
	}
	if len(got.PageWords) != samplePages {
		t.Errorf("words of %d pages were counted", len(got.PageWords))
	}
	asset, _ := result.Asset(assetText)
	if pages := strings.Count(string(asset.Data), "\f") + 1; pages != samplePages {
		t.Errorf("the text has %d pages", pages)
	}
	if !strings.Contains(string(asset.Data), "Upgrading the daemon never stops a worker.") {
		t.Error("a sentence of page 4 is not in the text")
	}
	if len(result.Progress) != samplePages {
		t.Errorf("progress was said %d times, want once a page", len(result.Progress))
	}
}

// The count must be that of the page the PDF was printed from, counted in
// another way. A printed list item also shows its number.
func TestExtractText_agreesWithTheSource(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("testdata/sample.html")
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(string(source), "<body>")
	if !ok {
		t.Fatal("the sample has no body")
	}
	tag := regexp.MustCompile(`<[^>]*>`)
	words := len(strings.Fields(tag.ReplaceAllString(body, " "))) + strings.Count(body, "<li>")
	if words != sampleWords {
		t.Errorf("the source has %d words, the sample is expected to have %d", words, sampleWords)
	}
}

func TestExtractTables_sample(t *testing.T) {
	t.Parallel()
	result := workertest.Run(t, tasks(), taskTables, withDocument(samplePDF(t)))
	workertest.Equal(t, result, TablesFound{Tables: 3, Pages: []int{2, 3, 5}, Found: sampleTables})

	asset, ok := result.Asset("table-2.csv")
	if !ok || asset.Type != worker.Text {
		t.Fatalf("table-2.csv: %v, type %s", ok, asset.Type)
	}
	rows, err := csv.NewReader(bytes.NewReader(asset.Data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"Setting", "Default", "Unit", "Range"},
		{"timeout", "300", "seconds", "above 0"},
		{"retries", "3", "attempts", "0 to 100"},
		{"delay", "1000", "milliseconds", "above 0"},
		{"heartbeat", "60000", "milliseconds", "above 0"},
		{"concurrency", "0", "tasks", "0 or more"},
		{"priority", "100", "points", "any"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	asset, _ = result.Asset("table-3.json")
	var objects []map[string]string
	if err := json.Unmarshal(asset.Data, &objects); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"Program": "host daemon", "Port": "4599", "Data": "manifest and logs"}, objects[1]); diff != "" {
		t.Error(diff)
	}
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	text := workertest.Run(t, tasks(), taskText, withDocument(samplePDF(t)))
	var found TextFound
	if err := text.Decode(&found); err != nil {
		t.Fatal(err)
	}
	content, _ := text.Asset(assetText)
	local := worker.Local{
		Input:          Input{},
		Upstream:       map[string]any{taskDownload: Downloaded{Source: "sample.pdf"}, taskText: found},
		UpstreamAssets: map[string][]byte{assetText: content.Data},
	}
	want := Summary{
		Source: "sample.pdf", Title: "Pipelines on Your Own Machines", Pages: samplePages, Words: sampleWords, TablePages: []int{},
	}
	check := func(t *testing.T, local worker.Local, want Summary) {
		t.Helper()
		got := workertest.Output[Summary](t, tasks(), taskSummary, local)
		if len(got.TopWords) != 10 || got.TopWords[0] != (WordCount{Word: "task", Count: 16}) {
			t.Errorf("top words: %v", got.TopWords)
		}
		got.TopWords = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	t.Run("without tables", func(t *testing.T) {
		t.Parallel()
		check(t, local, want)
	})
	t.Run("with tables", func(t *testing.T) {
		t.Parallel()
		local, want := local, want
		local.Upstream = map[string]any{
			taskDownload: local.Upstream[taskDownload], taskText: found,
			taskTables: TablesFound{Tables: 3, Pages: []int{2, 3, 5}},
		}
		want.Tables, want.TablePages, want.TablesSearched = 3, []int{2, 3, 5}, true
		check(t, local, want)
	})
}

// Damaged documents must fail for good, with a sentence, whatever the reader
// does with them.
func TestExtract_damagedDocuments(t *testing.T) {
	t.Parallel()
	whole := samplePDF(t)
	scrambled := bytes.Clone(whole)
	for i := 200; i < len(scrambled)-2000; i += 97 {
		scrambled[i] ^= 0x5a
	}
	for name, data := range map[string][]byte{
		"empty":       {},
		"header only": []byte("%PDF-1.7\n"),
		"half":        whole[:len(whole)/2],
		"no trailer":  whole[:len(whole)-300],
		"scrambled":   scrambled,
		"lying xref":  []byte("%PDF-1.4\nstartxref\n99999999\n%%EOF\n"),
	} {
		for _, task := range []string{taskText, taskTables} {
			t.Run(name+" "+task, func(t *testing.T) {
				t.Parallel()
				_, err := workertest.Try(t, tasks(), task, withDocument(data))
				var failed *worker.TaskError
				if err == nil && name == "scrambled" {
					return // what is left may still be readable; it must only not crash
				}
				if !errors.As(err, &failed) || failed.Retryable || failed.Code != "UNREADABLE_PDF" {
					t.Errorf("got %v, want a final failure UNREADABLE_PDF", err)
				}
			})
		}
	}
}

func FuzzFindTables(f *testing.F) {
	f.Add([]byte("abc"), 3)
	f.Fuzz(func(t *testing.T, data []byte, columns int) {
		for _, table := range findTables(glyphsOf(data, columns)) {
			for _, row := range table {
				if len(row) != len(table[0]) {
					t.Errorf("rows of different lengths: %q", table)
				}
			}
		}
	})
}
