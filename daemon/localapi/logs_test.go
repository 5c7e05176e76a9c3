package localapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/workerlog"
)

// writeLog writes n numbered lines, one a second from 2030-01-01 on; every
// tenth is on stderr.
func writeLog(t *testing.T, dir string, n int) {
	t.Helper()
	var data []byte
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		stream := "out"
		if i%10 == 0 {
			stream = "err"
		}
		data = workerlog.Append(data, at.Add(time.Duration(i)*time.Second), stream, fmt.Sprintf("line %d (a+)+$", i))
	}
	path := filepath.Join(dir, "w1.log")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at.Add(time.Duration(n)*time.Second)); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) get(t *testing.T, path string) (int, string) {
	t.Helper()
	status, _, body := f.ask(t, f.plain("GET", path))
	return status, body
}

func logsOf(t *testing.T, f *fixture, query string) api.LogLines {
	t.Helper()
	status, body := f.get(t, "/api/workers/w1/logs"+query)
	var page api.LogLines
	if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s", query, status, body)
	}
	return page
}

func TestLogs_whichLines(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	writeLog(t, f.backend.logs, 3000)
	tests := []struct {
		query       string
		n           int
		first, last int
		more        bool
	}{
		{"", 500, 2500, 2999, true},
		{"?tail=1", 1, 2999, 2999, true},
		{"?tail=2000", 2000, 1000, 2999, true},
		{"?limit=5000", 3000, 0, 2999, false},
		{"?after=-1&limit=10", 10, 0, 9, true},
		{"?after=0&limit=10", 10, 1, 10, true},
		{"?before=0", 0, 0, 0, false},
		{"?stream=err&tail=3", 3, 2970, 2990, true},
		{"?since=2030-01-01T00:49:50Z", 10, 2990, 2999, false},
		{"?since=1893456000000&until=2030-01-01T00:00:05Z", 5, 0, 4, false},
		{"?grep=line%2012&tail=3", 3, 1297, 1299, true},
		{"?grep=(a%2B)%2B$&tail=2", 2, 2998, 2999, true},
		{"?grep=%5Eline%20[0-9]%20&regex=1", 10, 0, 9, false},
		{"?grep=nothing", 0, 0, 0, false},
	}
	for _, tt := range tests {
		page := logsOf(t, f, tt.query)
		if len(page.Items) != tt.n || page.More != tt.more {
			t.Errorf("%s: %d lines, more %v; want %d, %v", tt.query, len(page.Items), page.More, tt.n, tt.more)
			continue
		}
		for i, want := range []int{tt.first, tt.last} {
			if tt.n == 0 {
				break
			}
			l := page.Items[i*(len(page.Items)-1)]
			if !strings.HasPrefix(l.Line, fmt.Sprintf("line %d ", want)) {
				t.Errorf("%s: end %d is %q, want line %d", tt.query, i, l.Line, want)
			}
		}
	}
	if page := logsOf(t, f, "?grep=LINE%2029&ignoreCase=1&count=1&tail=1&before=999999999"); page.Count == nil || *page.Count != 111 {
		t.Errorf("in any case: %+v", page)
	}
	// Counted on the way, from either end, and beside a page amid the log.
	for _, query := range []string{"?count=1&tail=3", "?count=1&after=-1&limit=3", "?count=1&before=2000&limit=3"} {
		if page := logsOf(t, f, query+"&grep=9%20(a"); page.Count == nil || *page.Count != 300 || len(page.Items) != 3 || page.Partial || page.CountPartial {
			t.Errorf("%s: %+v", query, page)
		}
	}
	if page := logsOf(t, f, "?grep=line%2029&count=1&tail=1"); page.Count == nil || *page.Count != 111 || page.CountPartial {
		t.Errorf("count: %+v", page)
	}
}

func TestLogs_C12_refusals(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	writeLog(t, f.backend.logs, 10)
	for query, status := range map[string]int{
		"?after=x": 400, "?before=-2": 400, "?after=1&before=2": 400, "?limit=0": 400, "?limit=5001": 400,
		"?stream=both": 400, "?since=yesterday": 400, "?until=99999999999999999999": 400, "?regex=maybe": 400,
		"?regex=1&grep=(": 400, "?grep=" + strings.Repeat("x", 1001): 400, "?count=2": 400,
		"?regex=1&grep=(a%2B)%2B$": 200, // linear, whatever it looks like
	} {
		if got, body := f.get(t, "/api/workers/w1/logs"+query); got != status || status == 400 && !strings.Contains(body, `"code":"invalid_request"`) {
			t.Errorf("%s: %d %s", query, got, body)
		}
	}
	for _, path := range []string{"/api/workers/nobody/logs/download", "/api/workers/..%2fw1/logs/download", "/api/workers/nobody/logs?after=1"} {
		if got, body := f.get(t, path); got != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, got, body)
		}
	}
}

// Pages in either direction show every line once.
func TestLogs_pages(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	writeLog(t, f.backend.logs, 1000)
	var down, up []int64
	for page := logsOf(t, f, "?after=-1&limit=77"); ; page = logsOf(t, f, fmt.Sprintf("?after=%d&limit=77", page.Newer)) {
		for _, l := range page.Items {
			down = append(down, l.Pos)
		}
		if !page.More {
			break
		}
	}
	for page := logsOf(t, f, "?limit=77"); ; page = logsOf(t, f, fmt.Sprintf("?before=%d&limit=77", page.Older)) {
		for i := range page.Items {
			up = append(up, page.Items[len(page.Items)-1-i].Pos)
		}
		if !page.More {
			break
		}
	}
	if len(down) != 1000 || len(up) != 1000 {
		t.Fatalf("%d lines down, %d up", len(down), len(up))
	}
	for i := range down {
		if down[i] != up[999-i] || i > 0 && down[i] <= down[i-1] {
			t.Fatalf("line %d is at %d and %d", i, down[i], up[999-i])
		}
	}
}

func TestLogs_download(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	writeLog(t, f.backend.logs, 20_000)
	want, err := os.ReadFile(filepath.Join(f.backend.logs, "w1.log"))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := f.get(t, "/api/workers/w1/logs/download"); status != 200 || body != string(want) {
		t.Errorf("%d, %d bytes of %d", status, len(body), len(want))
	}
	if status, body := f.get(t, "/api/workers/w1/logs/download?stream=err"); status != 200 || strings.Count(body, "\n") != 2000 || strings.Contains(body, " out ") {
		t.Errorf("%d, %d lines of stderr", status, strings.Count(body, "\n"))
	}
}

func TestLogs_downloadAsObjects(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	writeLog(t, f.backend.logs, 20_000)
	status, body := f.get(t, "/api/workers/w1/logs/download?format=ndjson&stream=err")
	all := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	var second api.LogLine
	if err := json.Unmarshal([]byte(all[1]), &second); status != 200 || err != nil || len(all) != 2000 || second.Line != "line 10 (a+)+$" || second.Stream != "err" ||
		second.TS != time.Date(2030, 1, 1, 0, 0, 10, 0, time.UTC).UnixMilli() {
		t.Errorf("%d, %d objects, %v, %+v", status, len(all), err, second)
	}
	if status, body := f.get(t, "/api/workers/w1/logs/download?format=xml"); status != 400 || !strings.Contains(body, "text or ndjson") {
		t.Errorf("%d %s", status, body)
	}
}

// W9: a term 900,000 lines above is found, and counted.
func TestLogs_W9_searchFarAbove(t *testing.T) {
	if testing.Short() {
		return
	}
	t.Parallel()
	f := serveTest(t)
	writeLog(t, f.backend.logs, 1_000_000)
	begun := time.Now()
	page := logsOf(t, f, "?grep=line%20100000%20&count=1")
	for page.Partial && len(page.Items) == 0 { // a busy machine: a page looks for two seconds
		page = logsOf(t, f, fmt.Sprintf("?grep=line%%20100000%%20&count=1&before=%d", page.Older))
	}
	if len(page.Items) != 1 || !strings.HasPrefix(page.Items[0].Line, "line 100000 ") {
		t.Fatalf("found %+v", page)
	}
	if !page.CountPartial && (page.Count == nil || *page.Count != 1) {
		t.Errorf("counted %+v", page)
	}
	t.Logf("found after %s", time.Since(begun))
	// A link to the line opens there, with what is around.
	around := logsOf(t, f, fmt.Sprintf("?before=%d&limit=2", page.Items[0].Pos+1))
	if len(around.Items) != 2 || around.Items[1] != page.Items[0] || !strings.HasPrefix(around.Items[0].Line, "line 99999 ") {
		t.Errorf("around it: %+v", around.Items)
	}
}
