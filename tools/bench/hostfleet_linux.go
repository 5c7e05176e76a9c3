package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pipedai/manifest"
)

// fleets are how many workers a host is measured with.
var fleets = []int{1, 100, 500}

// measureFleets starts a daemon whose manifest wants workers, looks at its
// memory once they run, and stops it as a service manager does.
func measureFleets(ctx context.Context, m *measuring) error {
	for _, n := range fleets {
		if err := measureFleet(ctx, m, n); err != nil {
			return fmt.Errorf("%d workers: %w", n, err)
		}
	}
	return nil
}

func measureFleet(ctx context.Context, m *measuring, n int) error {
	bareStart, bareStop, err := m.g.bareLoop(ctx, n)
	if err != nil {
		return err
	}
	b, err := m.g.newHost(ctx, n, manifest.Settings{})
	if err != nil {
		return err
	}
	defer b.close()
	all, err := b.up(ctx, n)
	if err != nil {
		return err
	}
	m.add(sample{fmt.Sprint("host-start-", n), seconds(b.began, last(all)), bareStart})
	if err := b.connect(ctx, n); err != nil {
		return err
	}
	cpu, err := cpuTime(b.pid())
	if err != nil {
		return err
	}
	m.add(sample{fmt.Sprint("host-start-cpu-", n), cpu.Seconds(), 0})
	if err := pause(ctx, 2*time.Second); err != nil { // what a start leaves behind is given back
		return err
	}
	pss, err := pss(b.pid())
	if err != nil {
		return err
	}
	m.add(sample{fmt.Sprint("host-pss-", n), pss, 0})

	ends, err := watchEnds(all)
	if err != nil {
		return err
	}
	defer ends.close()
	asked := monotonic()
	if err := b.process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := ends.wait(20 * time.Second); err != nil {
		return err
	}
	m.add(sample{fmt.Sprint("host-stop-", n), seconds(asked, monotonic()), bareStop})
	select {
	case <-b.process.Ended():
		m.add(sample{fmt.Sprint("host-end-", n), seconds(asked, monotonic()), bareStop})
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("the daemon does not end: %w", errTooSlow)
	}
}

// measureHostIdle looks at a daemon with workers that do nothing, and with
// nobody who watches.
func measureHostIdle(ctx context.Context, m *measuring) error {
	const n = 100
	b, err := m.g.newHost(ctx, n, manifest.Settings{})
	if err != nil {
		return err
	}
	defer b.close()
	if _, err := b.up(ctx, n); err != nil {
		return err
	}
	if err := pause(ctx, max(5*time.Second, m.o.window)); err != nil { // what follows the start ends
		return err
	}
	before, err := exactTime(b.pid())
	if err != nil {
		return err
	}
	began := monotonic()
	if err := pause(ctx, max(20*time.Second, 3*m.o.window)); err != nil {
		return err
	}
	after, err := exactTime(b.pid())
	if err != nil {
		return err
	}
	m.add(sample{"host-idle", milliseconds(after-before) / seconds(began, monotonic()), 0})
	return nil
}

// exactTime is the processor time of a process with all its threads, in ns.
func exactTime(pid int) (time.Duration, error) {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("no threads of process %d: %w", pid, err)
	}
	var sum time.Duration
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(data), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

// pss is the memory of a process in MB, with its share of what others use too.
func pss(pid int) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, "Pss:"); found {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("smaps_rollup of process %d has no Pss", pid)
}
