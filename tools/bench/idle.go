package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// measureIdle looks at an engine that has a service, did some work, and has
// none left.
func measureIdle(ctx context.Context, m *measuring) error {
	b, err := m.g.newBed(ctx, m.store, 1)
	if err != nil {
		return err
	}
	defer b.close()
	if m.store == postgres {
		if err := m.g.pg.Exec(ctx, "alter database "+b.database+" set log_statement = 'all'"); err != nil {
			return err
		}
	}
	if err := b.begin(ctx, 10); err != nil {
		return err
	}
	if err := b.push(ctx, "noop", task("noop")); err != nil {
		return err
	}
	if err := b.service.tell("expect 10"); err != nil {
		return err
	}
	if _, err := trigger(ctx, b.engine(), "noop", 10, 1, fillTime); err != nil {
		return err
	}
	if _, err := b.service.wait(ctx, "done", 30*time.Second); err != nil {
		return err
	}
	length := max(5*time.Second, 2*m.o.window)
	if err := pause(ctx, length/4); err != nil { // what follows the work ends
		return err
	}

	pid := b.engine().process.Pid
	said := 0
	if m.store == postgres {
		said = len(m.g.pg.Log().String())
	}
	before, procErr := cpuTime(pid)
	begun := time.Now()
	if err := pause(ctx, length); err != nil {
		return err
	}
	took := time.Since(begun)
	if m.store == postgres {
		n, often := statements(m.g.pg.Log().String()[said:])
		m.add(sample{"idle-statements", float64(n) / took.Seconds(), 0})
		m.note("most often, in %s: %s", took.Round(time.Second), often)
	}
	if after, err := cpuTime(pid); err == nil && procErr == nil {
		m.add(sample{"idle-cpu", 100 * (after - before).Seconds() / took.Seconds(), 0})
	}
	if mb, err := memory(pid, "VmRSS"); err == nil {
		m.add(sample{"idle-memory", mb, 0})
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// statements counts those of a server log, and names the most frequent ones.
func statements(log string) (int, string) {
	n, by := 0, map[string]int{}
	log = strings.ReplaceAll(log, "\n\t", " ") // a statement of several lines
	for line := range strings.Lines(log) {
		_, text, found := strings.Cut(line, "LOG:  statement: ")
		if !found {
			if _, text, found = strings.Cut(line, "LOG:  execute "); found {
				_, text, _ = strings.Cut(text, ": ")
			}
		}
		if !found {
			continue
		}
		n++
		text = strings.Join(strings.Fields(text), " ")
		by[text[:min(len(text), 60)]]++
	}
	names := slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(by[b]-by[a], strings.Compare(a, b)) })
	var out []string
	for _, name := range names[:min(len(names), 6)] {
		out = append(out, fmt.Sprintf("%d × %q", by[name], name))
	}
	return n, strings.Join(out, ", ")
}
