package main

import (
	"context"
	"fmt"
	"time"
)

// measureKill kills a replica while a service has not answered any of its
// dispatches yet, and waits until another replica has dispatched the last of
// them again. Beside it stands what was left of the leases at the kill.
func measureKill(ctx context.Context, m *measuring) error {
	b, err := m.g.newBed(ctx, m.store, 2)
	if err != nil {
		return err
	}
	defer b.close()
	flag := fmt.Sprint(m.o.concurrency)
	if err := b.engine().start(ctx, "--max-concurrency", flag); err != nil {
		return err
	}
	patient := task("noop")
	tries := 5.0
	patient.Retries = &tries
	if err := b.push(ctx, "noop", patient); err != nil {
		return err
	}
	const held = 20
	for _, command := range []string{fmt.Sprint("expect ", held), fmt.Sprint("hold ", held)} {
		if err := b.service.tell("%s", command); err != nil {
			return err
		}
	}
	if _, err := enqueue(ctx, b.engine(), "noop", held, 1, fillTime); err != nil {
		return err
	}
	if err := b.receipts(ctx, held); err != nil {
		return err
	}
	if err := b.replicas[1].start(ctx, "--max-concurrency", flag); err != nil {
		return err
	}
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	var left float64
	err = conn.QueryRow(ctx, `select coalesce(extract(epoch from max(until) - clock_timestamp()), 0)::float8 from lease`).Scan(&left)
	if err != nil {
		return fmt.Errorf("read the leases: %w", err)
	}
	killed := time.Now()
	b.engine().kill()
	done, err := b.service.wait(ctx, "done", 2*time.Minute)
	if err != nil {
		return err
	}
	last := time.Unix(0, done.Times[len(done.Times)-1])
	m.add(sample{"kill", last.Sub(killed).Seconds(), left})
	return nil
}

// receipts waits until the push service got n dispatches.
func (b *bed) receipts(ctx context.Context, n int) error {
	for begun := time.Now(); ; {
		now, err := b.service.stats(ctx)
		if err != nil || now.Receipts >= n {
			return err
		}
		if time.Since(begun) > 30*time.Second {
			return fmt.Errorf("%d of %d dispatches arrived", now.Receipts, n)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}
