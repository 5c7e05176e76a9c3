package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"pipedai/manifest"
)

// measureRespawn kills a worker that is to be started again at once, over and
// over: from before the kill until the next process says that it runs.
func measureRespawn(ctx context.Context, m *measuring) error {
	times := max(200, m.o.amount(500))
	bare, err := m.g.bareRespawns(ctx, times)
	if err != nil {
		return err
	}
	b, err := m.g.newHost(ctx, 1, manifest.Settings{Restart: manifest.Restart{Backoff: []time.Duration{0}, Budget: -1}})
	if err != nil {
		return err
	}
	defer b.close()
	up, err := b.up(ctx, 1)
	if err != nil {
		return err
	}
	if err := b.connect(ctx, 1); err != nil {
		return err
	}
	before, err := exactTime(b.pid())
	if err != nil {
		return err
	}
	var took []time.Duration
	for range times {
		began := monotonic()
		if err := unix.Kill(up[0].pid, unix.SIGKILL); err != nil {
			return fmt.Errorf("kill worker: %w", err)
		}
		if up, err = b.hails.wait(ctx, 1, hailWithin); err != nil {
			return fmt.Errorf("respawn: %w\n%s", err, b.said)
		}
		took = append(took, time.Duration(up[0].at-began))
		// Its start is written down before the next one is killed.
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	after, err := exactTime(b.pid())
	if err != nil {
		return err
	}
	m.add(sample{"host-respawn-p50", milliseconds(quantile(took, 0.5)), milliseconds(quantile(bare, 0.5))})
	m.add(sample{"host-respawn-p99", milliseconds(quantile(took, 0.99)), milliseconds(quantile(bare, 0.99))})
	m.add(sample{"host-respawn-cpu", milliseconds(after-before) / float64(times), 0})
	return nil
}
