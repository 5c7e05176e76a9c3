// Package storagetest decides what a storage.Bucket is: every provider passes
// the same cases.
package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"pipedai/storage"
)

// Run checks the buckets that open returns. Each call of open must give an
// empty one and clean up through t.
func Run(t *testing.T, open func(t testing.TB) storage.Bucket) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *testing.T, b storage.Bucket)
	}{
		{"put then get", putGet},
		{"what is larger than a part", large},
		{"odd but legal paths (S1)", oddPaths},
		{"put replaces", replaces},
		{"bad paths (S1)", badPaths},
		{"not found", notFound},
		{"delete", deletes},
		{"list", lists},
		{"failed write leaves what was there", failedWrite},
		{"cancelled write leaves nothing (S3)", cancelledWrite},
		{"cancelled large write leaves nothing (S3)", cancelledLarge},
		{"wrong size is refused", wrongSize},
		{"readers see whole objects only", wholeOnly},
		{"describe", describes},
		{"ranges", ranges},
		{"of two writers of one path one wins (S5)", putNew},
		{"what was altered is not served (S4)", altered},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

func putGet(t *testing.T, b storage.Bucket) {
	for _, size := range []int{0, 1, 5 << 20} {
		data := bytes.Repeat([]byte{0, 'x', 0xff}, size/3+1)[:size]
		for _, announced := range []int64{int64(size), -1} {
			name := fmt.Sprintf("runs/r/assets/%d-%d.bin", size, announced+1)
			object, err := b.Put(t.Context(), name, bytes.NewReader(data), announced, storage.ContentBinary)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(data)
			want := storage.Object{
				Path: name, Size: int64(size), ContentType: storage.ContentBinary, SHA256: hex.EncodeToString(sum[:]),
			}
			if diff := cmp.Diff(want, object); diff != "" {
				t.Error(diff)
			}
			if got := read(t, b, name); !bytes.Equal(got, data) {
				t.Errorf("%d bytes stored, others came back (%d)", size, len(got))
			}
		}
	}
}

func oddPaths(t *testing.T, b storage.Bucket) {
	for _, name := range []string{"a", "a b/c", "ümlaut/日本", "x/a+b=c&d", "x/.hidden", "x/" + strings.Repeat("n", 200)} {
		put(t, b, name, name)
		if got := read(t, b, name); string(got) != name {
			t.Errorf("%q: got %q", name, got)
		}
	}
}

func replaces(t *testing.T, b storage.Bucket) {
	put(t, b, "k/a.json", "a long first value")
	put(t, b, "k/a.json", "second")
	if got := read(t, b, "k/a.json"); string(got) != "second" {
		t.Errorf("got %q", got)
	}
}

func badPaths(t *testing.T, b storage.Bucket) {
	for _, name := range []string{"", "../x", "/etc/passwd", "a/../../b", `..\x`, "%2e%2e/x", "a\x00", `C:\x`, "CON", "a."} {
		if _, err := b.Put(t.Context(), name, strings.NewReader("x"), 1, ""); !errors.Is(err, storage.ErrBadPath) {
			t.Errorf("put %q: got %v, want ErrBadPath", name, err)
		}
		if _, _, err := b.Get(t.Context(), name); !errors.Is(err, storage.ErrBadPath) {
			t.Errorf("get %q: got %v, want ErrBadPath", name, err)
		}
		if err := b.Delete(t.Context(), name); !errors.Is(err, storage.ErrBadPath) {
			t.Errorf("delete %q: got %v, want ErrBadPath", name, err)
		}
	}
}

func notFound(t *testing.T, b storage.Bucket) {
	put(t, b, "dir/file", "x")
	for _, name := range []string{"no", "dir/no", "dir", "dir/file/below"} {
		if _, _, err := b.Get(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("get %q: got %v, want ErrNotFound", name, err)
		}
	}
}

func deletes(t *testing.T, b storage.Bucket) {
	put(t, b, "d/a", "x")
	for _, name := range []string{"d/a", "d/a", "d", "never/was"} {
		if err := b.Delete(t.Context(), name); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	if _, _, err := b.Get(t.Context(), "d/a"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("after delete: got %v, want ErrNotFound", err)
	}
}

func lists(t *testing.T, b storage.Bucket) {
	for _, name := range []string{"a/2", "a-b", "a/1/x", "b", "ab/c"} {
		put(t, b, name, "x")
	}
	for _, tt := range []struct {
		prefix, after string
		limit         int
		want          []string
	}{
		{"", "", 10, []string{"a-b", "a/1/x", "a/2", "ab/c", "b"}},
		{"a/", "", 10, []string{"a/1/x", "a/2"}},
		{"a", "", 10, []string{"a-b", "a/1/x", "a/2", "ab/c"}},
		{"a/1/", "", 10, []string{"a/1/x"}},
		{"", "", 2, []string{"a-b", "a/1/x"}},
		{"", "a/1/x", 2, []string{"a/2", "ab/c"}},
		{"", "a/", 9, []string{"a/1/x", "a/2", "ab/c", "b"}},
		{"a/", "a-z", 9, []string{"a/1/x", "a/2"}},
		{"a/", "a/2", 9, []string{}},
		{"none/", "", 10, []string{}},
		{"zzz", "", 10, []string{}},
	} {
		objects, err := b.List(t.Context(), tt.prefix, tt.after, tt.limit)
		if err != nil {
			t.Errorf("list %q: %v", tt.prefix, err)
			continue
		}
		got := []string{}
		for _, object := range objects {
			got = append(got, object.Path)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("list %q, at most %d: %s", tt.prefix, tt.limit, diff)
		}
	}
}

func failedWrite(t *testing.T, b storage.Bucket) {
	put(t, b, "f/a", "before")
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("source broke")))
	if _, err := b.Put(t.Context(), "f/a", broken, -1, ""); err == nil {
		t.Error("a write whose source broke was accepted")
	}
	if got := read(t, b, "f/a"); string(got) != "before" {
		t.Errorf("after a failed write: got %q, want what was there", got)
	}
}

func cancelledWrite(t *testing.T, b storage.Bucket) {
	ctx, cancel := context.WithCancel(t.Context())
	source := io.MultiReader(strings.NewReader("half"), readerFunc(func(p []byte) (int, error) {
		cancel()
		return copy(p, "more"), nil
	}))
	if _, err := b.Put(ctx, "c/a", source, -1, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, _, err := b.Get(t.Context(), "c/a"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("after a cancelled write: got %v, want ErrNotFound", err)
	}
	objects, err := b.List(t.Context(), "", "", 10)
	if err != nil || len(objects) != 0 {
		t.Errorf("a cancelled write left %v, %v", objects, err)
	}
}

func wrongSize(t *testing.T, b storage.Bucket) {
	for _, size := range []int64{1, 100} {
		if _, err := b.Put(t.Context(), "w/a", strings.NewReader("four"), size, ""); err == nil {
			t.Errorf("4 bytes announced as %d were accepted", size)
		}
	}
	if _, _, err := b.Get(t.Context(), "w/a"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// wholeOnly lets writers replace an object under readers' eyes.
func wholeOnly(t *testing.T, b storage.Bucket) {
	values := []string{strings.Repeat("a", 200_000), strings.Repeat("b", 100_000)}
	put(t, b, "r/x", values[0])
	var group sync.WaitGroup
	for _, value := range values {
		group.Go(func() {
			for range 10 {
				if _, err := b.Put(t.Context(), "r/x", strings.NewReader(value), int64(len(value)), ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 50 {
		if got := string(read(t, b, "r/x")); got != values[0] && got != values[1] {
			t.Fatalf("read a mixture of %d bytes", len(got))
		}
	}
	group.Wait()
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func put(t testing.TB, b storage.Bucket, name, value string) {
	t.Helper()
	if _, err := b.Put(t.Context(), name, strings.NewReader(value), int64(len(value)), storage.ContentText); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, b storage.Bucket, name string) []byte {
	t.Helper()
	body, object, err := b.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if object.Path != name || object.Size != int64(len(data)) {
		t.Errorf("get %s describes %+v, %d bytes came", name, object, len(data))
	}
	return data
}
