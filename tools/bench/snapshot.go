package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// measureSnapshot compares the rate while another program holds a snapshot
// open, so that no dead row can be cleaned away, with the rate before. Work is
// fed in all the time.
func measureSnapshot(ctx context.Context, m *measuring) error {
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
	const ahead = 3 * batchSize
	if _, err := enqueue(ctx, b.engine(), "noop", ahead, 2, fillTime); err != nil {
		return err
	}
	if err := b.service.tell("expect 0"); err != nil {
		return err
	}
	if err := b.begin(ctx, m.o.concurrency); err != nil {
		return err
	}
	fed := ahead
	if _, err := b.fedRate(ctx, m.o.window/2, ahead, &fed); err != nil { // until it runs evenly
		return err
	}
	before, err := b.fedRate(ctx, m.o.window, ahead, &fed)
	if err != nil {
		return err
	}
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return err
	}
	var tasks int
	if err := tx.QueryRow(ctx, "select count(*) from tasks").Scan(&tasks); err != nil { // takes the snapshot
		return err
	}
	held, err := b.fedRate(ctx, 6*m.o.window, ahead, &fed)
	if err != nil {
		return err
	}
	m.add(sample{"snapshot", held, before})
	return tx.Rollback(ctx)
}

// fedRate is the rate of acknowledged reports over a time in which a batch is
// queued whenever fewer than ahead tasks wait.
func (b *bed) fedRate(ctx context.Context, length time.Duration, ahead int, fed *int) (float64, error) {
	first, err := b.service.stats(ctx)
	if err != nil {
		return 0, err
	}
	for {
		now, err := b.service.stats(ctx)
		if err != nil {
			return 0, err
		}
		took := time.Duration(now.Now - first.Now)
		switch {
		case now.Refused > 0:
			return 0, fmt.Errorf("the engine refused %d reports; the first: %s", now.Refused, now.Refusal)
		case took >= length:
			return float64(now.Acks-first.Acks) / took.Seconds(), nil
		case *fed-now.Acks < ahead:
			if err := postBatch(ctx, b.engine(), "noop", batchSize); err != nil {
				return 0, err
			}
			*fed += batchSize
		default:
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
}
