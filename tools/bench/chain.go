package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pipedai/api"
)

// measureChain sends runs through a chain one after the other. The tasks do
// nothing, so the time between two receipts is what a step costs: a report, its
// commit and the next dispatch.
func measureChain(ctx context.Context, m *measuring) error {
	b, err := m.g.newBed(ctx, m.store, 1)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.begin(ctx, m.o.concurrency); err != nil {
		return err
	}
	const steps = 400
	var chain []api.TaskRegistration
	for i := range steps {
		step := task(fmt.Sprintf("step-%03d", i))
		if i+1 < steps {
			step.AllowedNext = []string{fmt.Sprintf("step-%03d", i+1)}
		}
		chain = append(chain, step)
	}
	if err := b.push(ctx, "chain", chain...); err != nil {
		return err
	}
	var gaps []time.Duration
	for range max(1, m.o.amount(3)) {
		if err := b.service.tell("expect %d", steps); err != nil {
			return err
		}
		if _, err := trigger(ctx, b.engine(), "chain", 1, 1, fillTime); err != nil {
			return err
		}
		done, err := b.service.wait(ctx, "done", 2*time.Minute)
		if err != nil {
			return err
		}
		for i := 1; i < len(done.Times); i++ {
			gaps = append(gaps, time.Duration(done.Times[i]-done.Times[i-1]))
		}
	}
	if len(gaps) == 0 {
		return errors.New("no step followed another")
	}
	m.add(sample{"chain", milliseconds(quantile(gaps, 0.5)), 0})
	return nil
}
