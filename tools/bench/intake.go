package main

import (
	"context"
	"errors"
	"time"
)

// measureEnqueue counts tasks that were queued durably, 10,000 per request and
// two requests under way, while nothing is dispatched.
func measureEnqueue(ctx context.Context, m *measuring) error {
	b, err := m.g.newBed(ctx, m.store, 1)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.accept(ctx); err != nil {
		return err
	}
	if err := b.push(ctx, "noop", task("noop")); err != nil {
		return err
	}
	const warm = batchSize // the first statements are being prepared
	if _, err := enqueue(ctx, b.engine(), "noop", warm, 1, fillTime); err != nil {
		return err
	}
	begun := time.Now()
	n, err := enqueue(ctx, b.engine(), "noop", m.o.amount(500_000), 2, m.o.window)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("not one batch was queued in time")
	}
	rate := float64(n) / time.Since(begun).Seconds()
	m.peak(b.engine(), "memory-enqueue")
	limit := 0.0
	if m.store == postgres {
		b.engine().stop()
		if limit, err = b.copyLimit(ctx, n+warm); err != nil {
			return err
		}
	}
	m.add(sample{"enqueue", rate, limit})
	return nil
}

// measureTrigger counts single triggers of a pipeline whose service is pulled
// from by nobody: loops run, and nothing is dispatched.
func measureTrigger(ctx context.Context, m *measuring) error {
	b, err := m.g.newBed(ctx, m.store, 1)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.begin(ctx, m.o.concurrency); err != nil {
		return err
	}
	if err := b.pull(ctx, "noop", task("noop")); err != nil {
		return err
	}
	if _, err := trigger(ctx, b.engine(), "noop", 200, 32, fillTime); err != nil {
		return err
	}
	begun := time.Now()
	n, err := trigger(ctx, b.engine(), "noop", 1<<40, 32, m.o.window)
	if err != nil {
		return err
	}
	m.add(sample{"trigger", float64(n) / time.Since(begun).Seconds(), m.databaseLimit(limitCommits)})
	return nil
}
