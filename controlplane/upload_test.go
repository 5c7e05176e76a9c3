package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/engine"
	"pipedai/store"
)

// form is a multipart body with a file of that content for every name.
func form(t testing.TB, field string, content string, names ...string) (body string, header []string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	if err := w.WriteField("note", "before"); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		part, err := w.CreateFormFile(field, name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), []string{"Content-Type", w.FormDataContentType()}
}

func (b *bench) upload(content string) api.Uploaded {
	b.t.Helper()
	body, header := form(b.t, "file", content, "a.pdf")
	w := b.do("POST", "/api/upload/temp", body, header...)
	var out api.Uploaded
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		b.t.Fatalf("%v: %s", err, w.Body)
	}
	if w.Code != http.StatusOK {
		b.t.Fatalf("upload: got %d %s", w.Code, w.Body)
	}
	return out
}

// objects are what storage holds of uploads.
func (b *bench) objects() (paths []string) {
	b.t.Helper()
	list, err := b.bucket.List(b.t.Context(), "temp-uploads/", "", 100)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, o := range list {
		paths = append(paths, o.Path)
	}
	return paths
}

// TestUpload: a file goes in, is shown, and is deleted; nothing else stays.
func TestUpload(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body, header := form(t, "file", "<script>alert(1)</script>", `..\..\etc/pa"ss<wd>.html`)
	w := b.do("POST", "/API/Upload/temp/", body, append(header, "X-User-Id", "ann")...)
	var up api.Uploaded
	if err := json.Unmarshal(w.Body.Bytes(), &up); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if w.Code != 200 || !strings.HasPrefix(up.UploadID, "tmp_") || len(up.UploadID) != 25 || up.Size != 25 || up.MimeType != "application/octet-stream" ||
		up.StoragePath != "temp-uploads/"+up.UploadID+"/"+up.Filename || strings.ContainsAny(up.Filename, `<>"/\`) {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if d := time.Until(up.ExpiresAt.Time); d < 23*time.Hour || d > 24*time.Hour {
		t.Errorf("expires in %s", d)
	}
	stored, err := b.st.Upload(t.Context(), up.UploadID)
	if err != nil || stored.UploadedBy != "ann" {
		t.Errorf("stored %+v, %v", stored, err)
	}
	// Case S8: a page that somebody uploaded is never one of ours.
	page := b.do("GET", "/api/storage/"+up.StoragePath, "")
	if h := page.Header(); page.Code != 200 || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || strings.Contains(h.Get("Content-Type"), "html") || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("served as %d %v", page.Code, h)
	}
	id := "/api/upload/temp/" + up.UploadID
	for _, step := range []struct {
		name, method, path string
		status             int
		want               string
	}{
		{"shown", "GET", id, 200, `"size":25,"expired":false,"claimed":false,"deleted":false`},
		{"counted", "GET", "/api/upload/stats", 200, `{"total":1,"expired":0,"claimed":0,"deleted":0}`},
		{"deleted", "DELETE", id, 200, `{"success":true,"uploadId":"` + up.UploadID + `"}`},
		{"deleted again", "DELETE", id, 410, `"error":"Upload already deleted"`},
		{"shown as deleted", "GET", id, 200, `"deleted":true`},
		{"counted as deleted", "GET", "/api/upload/stats", 200, `{"total":1,"expired":0,"claimed":0,"deleted":1}`},
		{"unknown", "GET", "/api/upload/temp/tmp_none", 404, `"error":"Upload not found"`},
		{"delete unknown", "DELETE", "/api/upload/temp/tmp_none", 404, `"error":"Upload not found"`},
	} {
		if w := b.do(step.method, step.path, ""); w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("%s: got %d %s, want %d %s", step.name, w.Code, w.Body, step.status, step.want)
		}
	}
	if left := b.objects(); len(left) != 0 {
		t.Errorf("storage holds %v", left)
	}
}

// TestUpload_refused: what is refused leaves no object and no upload.
func TestUpload_refused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other, otherHeader := form(t, "document", "x", "a")
	two, twoHeader := form(t, "file", "x", "a", "b")
	whole, wholeHeader := form(t, "file", strings.Repeat("x", 1<<20), "a")
	for _, step := range []struct {
		name, body string
		header     []string
		status     int
		want       string
	}{
		{"json", `{"file":"x"}`, []string{"Content-Type", "application/json"}, 400, `"error":"No file provided"`},
		{"nothing", "", nil, 400, `"error":"No file provided"`},
		{"another part", other, otherHeader, 400, `"error":"No file provided"`},
		{"two files", two, twoHeader, 400, `"error":"Only one file per request"`},
		{"cut in the file", whole[:1<<19], wholeHeader, 400, `"error":"The file did not arrive whole"`},
		{"cut behind the file", whole[:len(whole)-10], wholeHeader, 400, `"error":"The file did not arrive whole"`},
	} {
		if w := b.do("POST", "/api/upload/temp", step.body, step.header...); w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("%s: got %d %s, want %d %s", step.name, w.Code, w.Body, step.status, step.want)
		}
	}
	// A file over the limit is cut off as it comes, and never held in memory.
	c := b.serve(b.admin)
	_, err := c.Upload(t.Context(), "big.bin", "application/x-big", io.LimitReader(zeros{}, engine.MaxUpload+1))
	var failed *api.Error
	if !errors.As(err, &failed) || failed.Status != http.StatusRequestEntityTooLarge || failed.Code != api.CodeTooLarge {
		t.Errorf("over the limit: %v", err)
	}
	// A client that leaves in the middle of it.
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.Upload(ctx, "left.bin", "application/x-left", io.MultiReader(io.LimitReader(zeros{}, 1<<20), endless(ctx, cancel)))
	if err == nil {
		t.Error("a client that left was answered")
	}
	until := time.Now().Add(10 * time.Second)
	for {
		list, err := b.st.ExpiredUploads(t.Context(), store.Upload{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		left := b.objects()
		if len(left) == 0 && len(list) == 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("left behind: %v %v", left, list)
		}
	}
	if w := b.do("GET", "/api/upload/stats", ""); !strings.Contains(w.Body.String(), `"expired":0,"claimed":0`) {
		t.Errorf("stats %s", w.Body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// endless cancels and then yields nothing more.
func endless(ctx context.Context, cancel func()) io.Reader {
	return readFunc(func(p []byte) (int, error) { cancel(); <-ctx.Done(); return 0, ctx.Err() })
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// TestUpload_use: an input claims what it names, workers of both kinds are
// told of it, and what cannot be used is said.
func TestUpload_use(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.post("/api/register", `{"serviceId":"s","version":"1","baseUrl":"http://localhost:9","tasks":[{"id":"read","codeHash":"1","inputSchema":{"fields":[
		{"name":"doc","type":"file","label":"D","accept":".pdf","maxSize":4}]}}]}`, nil)
	small, large, unused := b.upload("1234"), b.upload("12345"), b.upload("x")
	for _, step := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"claimed", "/api/pipelines/read/trigger", fmt.Sprintf(`{"input":{"doc":%q,"more":[{"x":"\u0074mp_%s"}]},"validationMode":"strict"}`, small.UploadID, strings.TrimPrefix(large.UploadID, "tmp_")), 200, `"status":"running"`},
		{"too large", "/api/queue/task", fmt.Sprintf(`{"taskId":"read","input":{"doc":%q},"validationMode":"strict"}`, large.UploadID), 400, `"message":"File must not be larger than 4 bytes"`},
		{"used again", "/api/queue/task", fmt.Sprintf(`{"taskId":"read","input":{"doc":%q},"validationMode":"strict"}`, small.UploadID), 200, `"status":"queued"`},
		{"unknown", "/api/queue/task", `{"taskId":"read","input":{"doc":"tmp_none"},"validationMode":"strict"}`, 400, `"message":"Upload not found"`},
		{"a text like one", "/api/queue/task", `{"taskId":"read","input":{"note":"tmp_dir"},"validationMode":"strict"}`, 200, `"status":"queued"`},
	} {
		if w := b.do("POST", step.path, step.body); w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("%s: got %d %s, want %d %s", step.name, w.Code, w.Body, step.status, step.want)
		}
	}
	for _, up := range []api.Uploaded{small, large} {
		w := b.do("DELETE", "/api/upload/temp/"+up.UploadID, "")
		if w.Code != 409 || !strings.Contains(w.Body.String(), `"claimedByRunId":"trun_`) {
			t.Errorf("delete a claimed one: got %d %s", w.Code, w.Body)
		}
	}
	if w := b.do("DELETE", "/api/upload/temp/"+unused.UploadID, ""); w.Code != 200 {
		t.Fatalf("got %d", w.Code)
	}
	body := fmt.Sprintf(`{"taskId":"read","input":{"any":{"thing":%q}}`, unused.UploadID)
	if w := b.do("POST", "/api/queue/task", body+`,"validationMode":"strict"}`); w.Code != 400 || !strings.Contains(w.Body.String(), `"field":"any.thing"`) || !strings.Contains(w.Body.String(), "Upload is deleted") {
		t.Errorf("deleted, strict: got %d %s", w.Code, w.Body)
	}
	if w := b.do("POST", "/api/queue/task", body+`}`); w.Code != 200 || !strings.Contains(w.Body.String(), "Upload is deleted") {
		t.Errorf("deleted, warn: got %d %s", w.Code, w.Body)
	}
}
