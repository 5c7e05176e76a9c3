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

	"pipedai/storage"
)

// More than one part of any provider, and no whole number of them.
const largeSize = 17<<20 + 4711

// pattern yields n bytes that do not repeat within a part.
func pattern(n int) []byte {
	data := make([]byte, n)
	state := uint32(1)
	for i := range data {
		state = state*1664525 + 1013904223
		data[i] = byte(state >> 24)
	}
	return data
}

func large(t *testing.T, b storage.Bucket) {
	data := pattern(largeSize)
	sum := sha256.Sum256(data)
	want := hex.EncodeToString(sum[:])
	for name, r := range map[string]io.Reader{
		"known":   bytes.NewReader(data),
		"unknown": io.MultiReader(bytes.NewReader(data)), // cannot be read twice
	} {
		size := int64(len(data))
		if name == "unknown" {
			size = -1
		}
		object, err := b.Put(t.Context(), "large/"+name, r, size, storage.ContentBinary)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if object.SHA256 != want || object.Size != int64(len(data)) {
			t.Errorf("%s: stored as %+v, want %d bytes with %s", name, object, len(data), want)
		}
		body, _, err := storage.Open(t.Context(), b, storage.Ref{Path: "large/" + name, Size: int64(len(data)), SHA256: want})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes came back, %v", name, len(got), err)
		}
	}
}

func cancelledLarge(t *testing.T, b storage.Bucket) {
	ctx, cancel := context.WithCancel(t.Context())
	source := io.MultiReader(bytes.NewReader(pattern(largeSize)), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, nil
	}))
	if _, err := b.Put(ctx, "c/large", source, -1, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := b.Stat(t.Context(), "c/large"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("after a cancelled write: got %v, want ErrNotFound", err)
	}
	broken := io.MultiReader(bytes.NewReader(pattern(largeSize)), iotest.ErrReader(errors.New("source broke")))
	if _, err := b.Put(t.Context(), "c/large", broken, -1, ""); err == nil || !strings.Contains(err.Error(), "source broke") {
		t.Errorf("got %v, want the source's error", err)
	}
	if objects, err := b.List(t.Context(), "", "", 10); err != nil || len(objects) != 0 {
		t.Errorf("broken writes left %v, %v", objects, err)
	}
}

func describes(t *testing.T, b storage.Bucket) {
	stored, err := b.Put(t.Context(), "d/a.json", strings.NewReader("{}"), 2, storage.ContentJSON)
	if err != nil {
		t.Fatal(err)
	}
	object, err := b.Stat(t.Context(), "d/a.json")
	if err != nil {
		t.Fatal(err)
	}
	if object.Path != "d/a.json" || object.Size != 2 || object.ContentType != storage.ContentJSON ||
		object.SHA256 != stored.SHA256 || object.Modified.IsZero() || object.Tag == "" {
		t.Errorf("described as %+v", object)
	}
	body, got, err := b.Get(t.Context(), "d/a.json")
	if err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	if got.Tag != object.Tag || got.SHA256 != object.SHA256 {
		t.Errorf("get says %+v, stat %+v", got, object)
	}
	put(t, b, "d/a.json", "another")
	if again, err := b.Stat(t.Context(), "d/a.json"); err != nil || again.Tag == object.Tag {
		t.Errorf("the tag did not change with the content: %+v, %v", again, err)
	}
	for _, name := range []string{"d", "d/no"} {
		if _, err := b.Stat(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("stat %q: got %v, want ErrNotFound", name, err)
		}
	}
}

func ranges(t *testing.T, b storage.Bucket) {
	put(t, b, "r/a", "0123456789")
	for _, tt := range []struct {
		offset, length int64
		want           string
	}{{0, 4, "0123"}, {3, 4, "3456"}, {7, -1, "789"}, {0, -1, "0123456789"}, {8, 100, "89"}, {9, 1, "9"}, {2, 0, ""}} {
		body, object, err := b.GetRange(t.Context(), "r/a", tt.offset, tt.length)
		if err != nil {
			t.Errorf("%d bytes from %d: %v", tt.length, tt.offset, err)
			continue
		}
		got, err := io.ReadAll(body)
		_ = body.Close()
		if err != nil || string(got) != tt.want || object.Size != 10 {
			t.Errorf("%d bytes from %d: got %q of %d, %v; want %q of 10", tt.length, tt.offset, got, object.Size, err, tt.want)
		}
	}
	for _, offset := range []int64{10, 1000, -1} {
		if _, _, err := b.GetRange(t.Context(), "r/a", offset, 1); !errors.Is(err, storage.ErrBadRange) {
			t.Errorf("from %d: got %v, want ErrBadRange", offset, err)
		}
	}
	if _, _, err := b.GetRange(t.Context(), "r/no", 0, 1); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func putNew(t *testing.T, b storage.Bucket) {
	for _, size := range []int{100, largeSize} {
		name := fmt.Sprintf("n/%d", size)
		var mu sync.Mutex
		won := []string{}
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				data := bytes.Repeat([]byte{byte('a' + i)}, size)
				_, err := b.PutNew(t.Context(), name, bytes.NewReader(data), int64(size), "")
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won = append(won, string(data[:1]))
				case !errors.Is(err, storage.ErrExists):
					t.Errorf("writer %d: got %v, want ErrExists", i, err)
				}
			})
		}
		group.Wait()
		if len(won) != 1 {
			t.Fatalf("%d bytes: %d of 4 writers won", size, len(won))
		}
		if got := read(t, b, name); len(got) != size || string(got[:1]) != won[0] {
			t.Errorf("%d bytes starting with %q are stored; %s won", len(got), got[:1], won[0])
		}
	}
	if err := b.Delete(t.Context(), "n/100"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutNew(t.Context(), "n/100", strings.NewReader("x"), 1, ""); err != nil {
		t.Errorf("after a delete: %v", err)
	}
}

// altered reads with a reference that the object does not keep to.
func altered(t *testing.T, b storage.Bucket) {
	stored, err := b.Put(t.Context(), "s/a", strings.NewReader("what was stored"), 15, "")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Repeat("0", 64)
	for name, ref := range map[string]storage.Ref{
		"another hash": {Path: "s/a", Size: 15, SHA256: other},
		"longer":       {Path: "s/a", Size: 14, SHA256: stored.SHA256},
		"truncated":    {Path: "s/a", Size: 16, SHA256: stored.SHA256},
	} {
		body, _, err := storage.Open(t.Context(), b, ref)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(body)
			_ = body.Close()
		}
		if !errors.Is(err, storage.ErrAltered) || len(got) > 0 {
			t.Errorf("%s: got %q, %v; want nothing and ErrAltered", name, got, err)
		}
	}
	body, _, err := storage.Open(t.Context(), b, storage.Ref{Path: "s/a", Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || string(got) != "what was stored" {
		t.Errorf("an object nobody described: got %q, %v", got, err)
	}
}
