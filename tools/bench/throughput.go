package main

import (
	"context"
	"fmt"
	"time"
)

// backlog is how many tasks wait when a rate is measured: more than are done
// in that time.
func (m *measuring) backlog() int { return m.o.amount(400_000) }

// measurePush has work lie ready, starts the engine, and counts what the push
// service got acknowledged from its first receipt on.
func measurePush(ctx context.Context, m *measuring) error {
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
	n, err := enqueue(ctx, b.engine(), "noop", m.backlog(), 2, fillTime)
	if err != nil {
		return err
	}
	rate, err := b.pushed(ctx, m, n)
	if err != nil {
		return err
	}
	m.add(sample{"push", rate, m.limits[limitPost]})
	if err := m.spent(ctx, b, b.service, "push"); err != nil {
		return err
	}
	m.peak(b.engine(), "memory-push")
	return nil
}

// spent adds what the last moments cost in processor time per task: a figure
// that holds on a machine that others use as well.
func (m *measuring) spent(ctx context.Context, b *bed, c *child, figure string) error {
	engine := b.engine().process.Pid
	look := func() (n counts, used, database time.Duration, err error) {
		if n, err = c.stats(ctx); err != nil {
			return n, 0, 0, err
		}
		used, err = cpuTime(engine)
		if err == nil && m.store == postgres {
			database, err = treeTime(m.g.pg.PID())
		}
		return n, used, database, err
	}
	first, used, database, err := look()
	if err != nil {
		m.note("processor time: %v", err)
		return nil
	}
	if err := pause(ctx, m.o.window/2); err != nil {
		return err
	}
	last, usedThen, databaseThen, err := look()
	if err != nil {
		return err
	}
	if tasks := float64(last.Acks - first.Acks); tasks > 0 {
		m.add(sample{figure + "-engine", float64((usedThen - used).Microseconds()) / tasks, 0})
		if m.store == postgres {
			m.add(sample{figure + "-database", float64((databaseThen - database).Microseconds()) / tasks, 0})
		}
	}
	return nil
}

// pushed starts the engine on n queued tasks and returns their rate.
func (b *bed) pushed(ctx context.Context, m *measuring, n int) (float64, error) {
	if err := b.service.tell("expect %d", n); err != nil {
		return 0, err
	}
	if err := b.begin(ctx, m.o.concurrency); err != nil {
		return 0, err
	}
	_, rate, err := b.service.window(ctx, m.o.window)
	return rate, err
}

// measurePull is the same with a worker that claims.
func measurePull(ctx context.Context, m *measuring) error {
	b, err := m.g.newBed(ctx, m.store, 1)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.accept(ctx); err != nil {
		return err
	}
	if err := b.pull(ctx, "noop", task("noop")); err != nil {
		return err
	}
	n, err := enqueue(ctx, b.engine(), "noop", m.backlog(), 2, fillTime)
	if err != nil {
		return err
	}
	if err := b.begin(ctx, 2*m.o.claim*m.o.claimers); err != nil {
		return err
	}
	if err := b.work(ctx, "noop", n); err != nil {
		return err
	}
	_, rate, err := b.worker.window(ctx, m.o.window)
	if err != nil {
		return err
	}
	m.add(sample{"pull", rate, m.databaseLimit(limitClaims)})
	if err := m.spent(ctx, b, b.worker, "pull"); err != nil {
		return err
	}
	m.peak(b.engine(), "memory-pull")
	return nil
}

// measureDiamond counts whole passages through a graph of four tasks, once
// with the runs laid in before and once with clients triggering meanwhile.
func measureDiamond(ctx context.Context, m *measuring) error {
	for _, live := range []bool{false, true} {
		if err := measureDiamonds(ctx, m, live); err != nil {
			return err
		}
	}
	return nil
}

func measureDiamonds(ctx context.Context, m *measuring, live bool) error {
	b, err := m.g.newBed(ctx, m.store, 1)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.accept(ctx); err != nil {
		return err
	}
	if err := b.push(ctx, "diamond", task("a", "b", "c"), task("b", "d"), task("c", "d"), task("d")); err != nil {
		return err
	}
	const tasks = 4
	if !live {
		n, err := trigger(ctx, b.engine(), "diamond", m.o.amount(40_000), 32, fillTime)
		if err != nil {
			return err
		}
		rate, err := b.pushed(ctx, m, n*tasks)
		if err != nil {
			return err
		}
		m.add(sample{"diamond", rate / tasks, m.limits[limitPost]})
		return nil
	}
	if err := b.begin(ctx, m.o.concurrency); err != nil {
		return err
	}
	if err := b.service.tell("expect %d", 0); err != nil {
		return err
	}
	begun := time.Now()
	if _, err := trigger(ctx, b.engine(), "diamond", 1<<40, 8, m.o.window); err != nil {
		return err
	}
	done, err := b.service.stats(ctx)
	if err != nil {
		return err
	}
	if done.Refused > 0 {
		return fmt.Errorf("the engine refused %d reports; the first: %s", done.Refused, done.Refusal)
	}
	m.add(sample{"diamond-live", float64(done.Acks) / tasks / time.Since(begun).Seconds(), m.limits[limitPost]})
	return nil
}
