package bounded_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pipedai/internal/bounded"
)

func TestHead_keepsTheBegin(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limit   int
		written []string
		want    string
	}{
		{0, []string{"a"}, ""},
		{5, []string{"abc"}, "abc"},
		{5, []string{"abc", "defg", "h"}, "abcde"},
		{5, []string{"abcdefgh"}, "abcde"},
		{2, []string{"aé"}, "a"},
	} {
		h := &bounded.Head{Limit: tc.limit}
		write(t, h, tc.written)
		if got := h.String(); got != tc.want {
			t.Errorf("%q within %d bytes: %q, want %q", tc.written, tc.limit, got, tc.want)
		}
	}
}

func TestTail_keepsTheEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limit   int
		written []string
		want    string
	}{
		{0, []string{"a"}, ""},
		{5, []string{"abc"}, "abc"},
		{5, []string{"abc", "defg", "h"}, "defgh"},
		{5, []string{"abcdefgh"}, "defgh"},
		{5, []string{"abc", "defghijk"}, "ghijk"},
		{2, []string{"éa"}, "a"},
	} {
		h := &bounded.Tail{Limit: tc.limit}
		write(t, h, tc.written)
		if got := h.String(); got != tc.want {
			t.Errorf("%q within %d bytes: %q, want %q", tc.written, tc.limit, got, tc.want)
		}
	}
}

func write(t *testing.T, w io.Writer, all []string) {
	t.Helper()
	for _, text := range all {
		if n, err := io.WriteString(w, text); n != len(text) || err != nil {
			t.Fatalf("write %q: %d, %v; want all of it taken", text, n, err)
		}
	}
}

func TestReader_endsWithItsContext(t *testing.T) {
	t.Parallel()
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := bounded.Reader(ctx, strings.NewReader("abcdef"))
	buf := make([]byte, 3)
	if n, err := r.Read(buf); n != 3 || err != nil {
		t.Fatalf("read %d, %v before the end", n, err)
	}
	cancel(fmt.Errorf("upload: %w", stopped))
	if n, err := r.Read(buf); n != 0 || !errors.Is(err, stopped) {
		t.Errorf("read %d, %v after the end; want nothing and the cause", n, err)
	}
}
