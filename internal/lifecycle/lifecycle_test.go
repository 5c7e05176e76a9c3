package lifecycle

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestGroup_stopsInReverseOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stopped []string
		var g Group
		for _, name := range []string{"database", "engine", "server"} {
			g.Add(name, func(ctx context.Context) error {
				<-ctx.Done()
				stopped = append(stopped, name) // one at a time: each waits for the one before
				return nil
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"server", "engine", "database"}, stopped); diff != "" {
			t.Errorf("stop order (-want +got):\n%s", diff)
		}
	})
}

func TestGroup_failureStopsTheRest(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	var g Group
	stopped := false
	g.Add("engine", func(ctx context.Context) error {
		<-ctx.Done()
		stopped = true
		return ctx.Err()
	})
	g.Add("server", func(context.Context) error { return boom })
	err := g.Run(t.Context())
	if !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "server: ") {
		t.Errorf("got %v, want the server's error under its name", err)
	}
	if !stopped {
		t.Error("the engine was left running")
	}
}
