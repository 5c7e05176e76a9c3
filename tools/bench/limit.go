package main

import (
	"context"
	"fmt"
	"time"
)

// measureLimit compares the rate of a task that may run 40 times at once, over
// four replicas together, with that of the same task without a limit.
func measureLimit(ctx context.Context, m *measuring) error {
	const most = 40
	free, _, err := measureLimited(ctx, m, 0)
	if err != nil {
		return err
	}
	bound, atOnce, err := measureLimited(ctx, m, most)
	if err != nil {
		return err
	}
	if atOnce > most {
		return fmt.Errorf("the limit of %d was exceeded: %d at once", most, atOnce)
	}
	m.note("at most %d of %d were executing at once", atOnce, most)
	m.add(sample{"limit", bound, free})
	return nil
}

func measureLimited(ctx context.Context, m *measuring, most float64) (rate float64, atOnce int, err error) {
	b, err := m.g.newBed(ctx, m.store, 4)
	if err != nil {
		return 0, 0, err
	}
	defer b.close()
	if err := b.accept(ctx); err != nil {
		return 0, 0, err
	}
	limited := task("noop")
	limited.Concurrency = &most
	if err := b.push(ctx, "noop", limited); err != nil {
		return 0, 0, err
	}
	n, err := enqueue(ctx, b.engine(), "noop", m.backlog(), 2, fillTime)
	if err != nil {
		return 0, 0, err
	}
	if rate, err = b.pushed(ctx, m, n); err != nil {
		return 0, 0, err
	}
	what := fmt.Sprintf("at most %v at once", most)
	if most == 0 {
		what = "without the limit"
	}
	if err := m.spentAll(ctx, b, what); err != nil {
		return 0, 0, err
	}
	done, err := b.service.stats(ctx)
	return rate, done.MaxAtOne, err
}

// spentAll notes what the last moments cost the replicas and the database
// in processor time per task.
func (m *measuring) spentAll(ctx context.Context, b *bed, what string) error {
	look := func() (n counts, engines, database time.Duration, err error) {
		if n, err = b.service.stats(ctx); err != nil {
			return n, 0, 0, err
		}
		for _, r := range b.replicas {
			used, err := cpuTime(r.process.Pid)
			if err != nil {
				return n, 0, 0, err
			}
			engines += used
		}
		database, err = treeTime(m.g.pg.PID())
		return n, engines, database, err
	}
	first, engines, database, err := look()
	if err != nil {
		return err
	}
	if err := pause(ctx, m.o.window/2); err != nil {
		return err
	}
	last, enginesThen, databaseThen, err := look()
	if err != nil {
		return err
	}
	if tasks := last.Acks - first.Acks; tasks > 0 {
		m.note("%s: processor time per task %d µs in the engines, %d µs in the database", what,
			(enginesThen-engines).Microseconds()/int64(tasks), (databaseThen-database).Microseconds()/int64(tasks))
	}
	return nil
}
