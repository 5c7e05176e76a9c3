package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"pipedai/manifest"
)

const (
	lineSize = 100
	counter  = 9 // digits at the beginning of a line
)

// measureLines has a worker write numbered lines as fast as it can, and counts
// what is in its log files.
func measureLines(ctx context.Context, m *measuring) error {
	lines := 2_000_000
	if m.o.quick {
		lines = 500_000
	}
	raw, err := m.g.rawCopy(ctx, lines)
	if err != nil {
		return fmt.Errorf("raw copy: %w", err)
	}
	b, err := m.g.newHost(ctx, 1, manifest.Settings{Env: map[string]string{"BENCH_LINES": strconv.Itoa(lines)}})
	if err != nil {
		return err
	}
	defer b.close()
	b.args = []string{"--log-max-size", "32", "--log-backups", "30"} // rotated all the same, but all is kept
	up, err := b.up(ctx, 1)
	if err != nil {
		return err
	}
	before, err := exactTime(b.pid())
	if err != nil {
		return err
	}
	end, err := b.logged(ctx, lines, up[0].at)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, b.said)
	}
	after, err := exactTime(b.pid())
	if err != nil {
		return err
	}
	lost, doubled, err := countLines(b.home.Log(workerID(0)), lines)
	if err != nil {
		return err
	}
	m.add(sample{"host-lines", float64(lines) / seconds(up[0].at, end), raw})
	m.add(sample{"host-lines-cpu", (after - before).Seconds() * 2_000_000 / float64(lines), 0})
	m.add(sample{"host-lines-lost", float64(lost), 0})
	m.add(sample{"host-lines-doubled", float64(doubled), 0})
	return nil
}

// rawCopy is how many lines a second go from such a worker through a pipe into
// a file when nothing is done with them.
func (g *ground) rawCopy(ctx context.Context, lines int) (float64, error) {
	b, err := g.newBare(ctx)
	if err != nil {
		return 0, err
	}
	defer b.close()
	from, end, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer from.Close()
	worker, err := b.spawnTo(end, fmt.Sprint("BENCH_LINES=", lines))
	_ = end.Close()
	if err != nil {
		return 0, err
	}
	defer func() { _ = worker.Kill(); _, _ = worker.Wait() }()
	up, err := b.hails.wait(ctx, 1, hailWithin)
	if err != nil {
		return 0, err
	}
	to, err := os.Create(filepath.Join(g.dir, "copy"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = to.Close(); _ = os.Remove(to.Name()) }()
	buf := make([]byte, 64<<10)
	for left := lines * lineSize; left > 0; {
		n, err := from.Read(buf)
		if err != nil {
			return 0, err
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return 0, err
		}
		left -= n
	}
	return float64(lines) / seconds(up[0].at, monotonic()), nil
}

// logged waits until the last of the lines is in the log, and returns when that
// was.
func (b *hostBed) logged(ctx context.Context, lines int, began int64) (int64, error) {
	name := b.home.Log(workerID(0))
	want := fmt.Appendf(nil, " out %0*d ", counter, lines-1)
	tail := make([]byte, 2*lineSize)
	for {
		now := monotonic()
		if f, err := os.Open(name); err == nil {
			info, err := f.Stat()
			if err != nil {
				return 0, err
			}
			n, err := f.ReadAt(tail, max(0, info.Size()-int64(len(tail))))
			_ = f.Close()
			if err != nil && !errors.Is(err, io.EOF) {
				return 0, err
			}
			if bytes.Contains(tail[:n], want) {
				return now, nil
			}
		}
		if seconds(began, now) > 120 {
			return 0, fmt.Errorf("the last line is not in the log: %w", errTooSlow)
		}
		if err := pause(ctx, 3*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// countLines says how many lines are in none of the files of a log, or not
// whole, and how many are there more than once.
func countLines(log string, lines int) (lost, doubled int, err error) {
	names, err := filepath.Glob(log + "*")
	if err != nil {
		return 0, 0, err
	}
	seen := make([]uint8, lines)
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return 0, 0, err
		}
		scan := bufio.NewScanner(f)
		for scan.Scan() {
			_, text, found := bytes.Cut(scan.Bytes(), []byte(" out "))
			if !found || len(text) != lineSize-1 {
				continue
			}
			if n, err := strconv.Atoi(string(text[:counter])); err == nil && n < lines && seen[n] < 255 {
				seen[n]++
			}
		}
		_ = f.Close()
		if err := scan.Err(); err != nil {
			return 0, 0, err
		}
	}
	for _, times := range seen {
		switch {
		case times == 0:
			lost++
		case times > 1:
			doubled++
		}
	}
	return lost, doubled, nil
}
