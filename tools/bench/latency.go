package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// measureLatency triggers one run at a time on an idle engine: from the
// request's first byte to the dispatch's last.
func measureLatency(ctx context.Context, m *measuring) error {
	b, err := m.g.newBed(ctx, m.store, 1)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.begin(ctx, m.o.concurrency); err != nil {
		return err
	}
	if err := b.push(ctx, "noop", task("noop")); err != nil {
		return err
	}
	conn := newLean(b.engine().address(), "")
	defer conn.close()
	body := []byte(`{"input":{"n":1}}`)
	const warm = 20
	var took []time.Duration
	for i := range warm + max(100, m.o.amount(500)) {
		if err := b.service.tell("expect 1"); err != nil {
			return err
		}
		if _, err := b.service.stats(ctx); err != nil { // it counts anew
			return err
		}
		begun := time.Now()
		status, answer, err := conn.post("/api/pipelines/noop/trigger", body)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("trigger: status %d: %s", status, answer)
		}
		if err != nil {
			return err
		}
		done, err := b.service.wait(ctx, "done", 30*time.Second)
		if err != nil {
			return err
		}
		if i >= warm {
			took = append(took, time.Unix(0, done.First).Sub(begun))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	m.add(sample{"latency-p50", milliseconds(quantile(took, 0.5)), 0})
	m.add(sample{"latency-p99", milliseconds(quantile(took, 0.99)), 0})
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile of times, which it sorts.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))]
}
