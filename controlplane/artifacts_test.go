package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"pipedai/api"
	"pipedai/storage"
)

// TestRelease_U2_artifact: bytes that are not what was signed do not stay.
func TestRelease_U2_artifact(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := newPublisher(t, b)
	m := b.manifest("1.3.0", "stable", 1, "linux")
	if w := b.hand(b.operate, "POST", versionPath(m), p.sign(m)); w.Code != http.StatusCreated {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	a := m.Artifacts[0]
	right := content("1.3.0", "linux")
	path := versionPath(m) + "/artifacts/" + a.Name
	nothing := func(name string) {
		t.Helper()
		if list, err := b.bucket.List(t.Context(), "releases/", "", 10); err != nil || len(list) != 0 {
			t.Errorf("%s: storage holds %+v, %v", name, list, err)
		}
		if got := b.latest("stable"); got != "1.2.3" {
			t.Errorf("%s: published as %s", name, got)
		}
	}
	send := func(name string, body io.Reader, length int64, status int, want string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "http://127.0.0.1:3000"+path, body)
		r.ContentLength = length
		r.Header.Set("Authorization", "Bearer "+b.operate.Reveal())
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		if w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want %d %s", name, w.Code, w.Body, status, want)
		}
		nothing(name)
	}
	const refused = api.CodeArtifactMismatch
	send("other bytes", strings.NewReader("x"+right[1:]), a.Size, 422, refused)
	send("the last byte", strings.NewReader(right[:len(right)-1]+"x"), a.Size, 422, refused)
	send("shorter, and says so", strings.NewReader(right[1:]), a.Size-1, 422, refused)
	send("longer, and says so", strings.NewReader(right+"x"), a.Size+1, 422, refused)
	send("shorter, of no length", strings.NewReader(right[1:]), -1, 422, refused)
	send("longer, of no length", strings.NewReader(right+"x"), -1, 422, refused)
	send("endless", zeros{}, -1, 422, refused)
	send("empty", strings.NewReader(""), 0, 422, refused)
	send("a lie about its length", strings.NewReader(right+"xyz"), a.Size, 422, refused)
	send("cut off", io.MultiReader(strings.NewReader(right[:1000]), broken{}), a.Size, 400, "did not arrive whole")
	for _, name := range []string{"..", "%2e%2e%2fetc%2fpasswd", "other", a.Name + "%00"} {
		if w := b.do("PUT", versionPath(m)+"/artifacts/"+name, right, bearer(b.operate)...); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
	nothing("names")
	if w := b.do("PUT", path, right, bearer(b.operate)...); w.Code != http.StatusCreated {
		t.Fatalf("after all that: %d %s", w.Code, w.Body)
	}
	if got := b.latest("stable"); got != "1.3.0" {
		t.Errorf("the latest is %s", got)
	}
}

// broken is a connection that went away.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestRelease_download: parts, conditions, HEAD, and what storage did to it.
func TestRelease_download(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := newPublisher(t, b)
	m := b.manifest("1.3.0", "stable", 1, "linux")
	p.publish(m)
	a, whole := m.Artifacts[0], content("1.3.0", "linux")
	path := versionPath(m) + "/artifacts/" + a.Name
	etag := `"` + a.SHA256 + `"`
	get := func(method string, header ...string) *httptest.ResponseRecorder {
		return b.do(method, path, "", append(bearer(b.view), header...)...)
	}
	for _, test := range []struct {
		name, method string
		header       []string
		status       int
		body         string
		length       string
	}{
		{"whole", "GET", nil, 200, whole, fmt.Sprint(len(whole))},
		{"head", "HEAD", nil, 200, "", fmt.Sprint(len(whole))},
		{"a part", "GET", []string{"Range", "bytes=5-9"}, 206, whole[5:10], "5"},
		{"from there on", "GET", []string{"Range", "bytes=100-"}, 206, whole[100:], fmt.Sprint(len(whole) - 100)},
		{"the end", "GET", []string{"Range", "bytes=-7"}, 206, whole[len(whole)-7:], "7"},
		{"a part of the same", "GET", []string{"Range", "bytes=5-9", "If-Range", etag}, 206, whole[5:10], "5"},
		{"a part of another", "GET", []string{"Range", "bytes=5-9", "If-Range", `"other"`}, 200, whole, fmt.Sprint(len(whole))},
		{"behind the end", "GET", []string{"Range", "bytes=99999999-"}, 416, "invalid range: failed to overlap\n", ""},
		{"several parts are the whole", "GET", []string{"Range", "bytes=0-1,5-9"}, 200, whole, fmt.Sprint(len(whole))},
		{"had already", "GET", []string{"If-None-Match", etag}, 304, "", ""},
		{"had another", "GET", []string{"If-None-Match", `"other"`}, 200, whole, fmt.Sprint(len(whole))},
	} {
		w := get(test.method, test.header...)
		if w.Code != test.status || w.Body.String() != test.body || w.Header().Get("Content-Length") != test.length && test.length != "" {
			t.Errorf("%s: got %d with %d bytes, %v", test.name, w.Code, w.Body.Len(), w.Header())
		}
		if w.Code == 200 && (w.Header().Get("ETag") != etag || w.Header().Get("Accept-Ranges") != "bytes" || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment")) {
			t.Errorf("%s: %v", test.name, w.Header())
		}
	}
	if w := b.do("GET", path, ""); w.Code != http.StatusUnauthorized {
		t.Errorf("without a credential: %d", w.Code)
	}

	// Case S4: the bytes are altered where they are kept. A client that looks at
	// the length sees that it did not get them all.
	object := "releases/" + m.Program + "/" + m.Version + "/" + a.SHA256 + "/" + a.Name
	if _, err := b.bucket.Put(t.Context(), object, strings.NewReader("X"+whole[1:]), a.Size, "application/octet-stream"); err != nil {
		t.Fatal(err)
	}
	c := b.serve(b.view)
	body, _, err := c.Artifact(t.Context(), m.Program, m.Version, a.Name, 0)
	if err == nil {
		_, err = io.ReadAll(body)
		_ = body.Close()
	}
	if err == nil {
		t.Error("altered bytes were served whole")
	}
	if _, err := b.bucket.Put(t.Context(), object, strings.NewReader("short"), 5, "application/octet-stream"); err != nil {
		t.Fatal(err)
	}
	if w := get("GET"); w.Code != 502 || !strings.Contains(w.Body.String(), api.CodeStorageAltered) {
		t.Errorf("another length: got %d %s", w.Code, w.Body)
	}
	if err := b.bucket.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if w := get("GET"); w.Code != 502 {
		t.Errorf("gone: got %d %s", w.Code, w.Body)
	}
}

// TestRelease_together: two who publish at once do no harm to each other.
func TestRelease_together(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := newPublisher(t, b)
	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		m := b.manifest(fmt.Sprintf("1.4.%d", i%2), "stable", 1, "linux", "darwin")
		envelope := p.sign(m)
		wg.Go(func() {
			w := b.hand(b.operate, "POST", versionPath(m), envelope)
			if codes[i] = w.Code; w.Code != http.StatusCreated {
				return
			}
			for _, a := range m.Artifacts {
				if w := b.do("PUT", versionPath(m)+"/artifacts/"+a.Name, content(m.Version, a.OS), bearer(b.operate)...); w.Code/100 != 2 {
					t.Errorf("put: %d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	won := map[int]int{}
	for i, code := range codes {
		if code == http.StatusCreated {
			won[i%2]++
		} else if code != http.StatusConflict {
			t.Errorf("publisher %d: %d", i, code)
		}
	}
	// The same one may be published by many; another one of the same sequence not.
	if len(won) != 1 {
		t.Errorf("with one sequence, published: %v", won)
	}
	var list api.PublishedReleases
	b.as(b.view, "GET", "/api/v1/releases", "", 200, &list)
	if len(list.Items) != 1 || list.Items[0].State != api.ReleasePublished {
		t.Errorf("there is %+v", list)
	}
}

// TestRelease_storageFails: nothing is published that is not stored, and a
// retry goes on.
func TestRelease_storageFails(t *testing.T) {
	t.Parallel()
	bucket := &failing{}
	b := newBenchWith(t, func(real storage.Bucket) storage.Bucket { bucket.Bucket = real; return bucket })
	p := newPublisher(t, b)
	m := b.manifest("1.3.0", "stable", 1, "linux")
	if w := b.hand(b.operate, "POST", versionPath(m), p.sign(m)); w.Code != http.StatusCreated {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	path := versionPath(m) + "/artifacts/" + m.Artifacts[0].Name
	for err, status := range map[error]int{
		fmt.Errorf("put: %w", storage.ErrUnavailable): 503, fmt.Errorf("put: %w", storage.ErrDenied): 502, errors.New("the disk is on fire"): 500,
	} {
		bucket.fail(err)
		if w := b.do("PUT", path, content("1.3.0", "linux"), bearer(b.operate)...); w.Code != status || strings.Contains(w.Body.String(), "fire") {
			t.Errorf("%v: got %d %s, want %d", err, w.Code, w.Body, status)
		}
		if got := b.latest("stable"); got != "1.2.3" {
			t.Errorf("published as %s", got)
		}
	}
	bucket.fail(nil)
	if w := b.do("PUT", path, content("1.3.0", "linux"), bearer(b.operate)...); w.Code != http.StatusCreated {
		t.Fatalf("when storage is back: got %d %s", w.Code, w.Body)
	}
	if got := b.latest("stable"); got != "1.3.0" {
		t.Errorf("the latest is %s", got)
	}
}

// failing is a bucket that takes nothing while it is told so.
type failing struct {
	storage.Bucket
	mu  sync.Mutex
	err error
}

func (f *failing) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failing) Put(ctx context.Context, path string, r io.Reader, size int64, kind string) (storage.Object, error) {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		_, _ = io.CopyN(io.Discard, r, 1000)
		return storage.Object{}, err
	}
	return f.Bucket.Put(ctx, path, r, size, kind)
}
