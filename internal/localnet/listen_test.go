package localnet

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"os"
)

func TestListen(t *testing.T) {
	t.Parallel()
	first, err := Listen(t.Context(), "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Close() })

	t.Run("busy port names the holder", func(t *testing.T) {
		_, err := Listen(t.Context(), "127.0.0.1", Port(first))
		var busy *BusyError
		if !errors.As(err, &busy) {
			t.Fatalf("got %v, want a BusyError", err)
		}
		if !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
			t.Errorf("got %q, want it to name pid %d", err, os.Getpid())
		}
	})
	for _, host := range []string{"0.0.0.0", "::", "", "192.0.2.1", "example.test"} {
		t.Run("refuses "+host, func(t *testing.T) {
			if _, err := Listen(t.Context(), host, 0); !errors.Is(err, ErrNotLoopback) {
				t.Errorf("got %v, want ErrNotLoopback", err)
			}
		})
	}
	t.Run("refuses ports that do not exist", func(t *testing.T) {
		if _, err := Listen(t.Context(), "127.0.0.1", 70000); err == nil {
			t.Error("got a listener")
		}
	})
}
