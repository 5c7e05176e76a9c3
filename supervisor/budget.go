package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Logs of workers that are gone are kept that long, and looked for that often.
const (
	forgottenAge   = 30 * 24 * time.Hour
	forgottenEvery = 12 * time.Hour
)

// minLogBytes is below what a log is not rotated for the budget's sake.
const minLogBytes = 256 << 10

// budget keeps the logs of all workers together within Options.LogBudget: the
// oldest rotated files of all go first. It wakes after rotations and looks for
// forgotten logs twice a day.
func (s *Supervisor) budget(ctx context.Context) {
	look := time.NewTicker(forgottenEvery)
	defer look.Stop()
	for {
		s.trim(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-s.rotated:
		case <-look.C:
		}
	}
}

// logMax is how large a log may grow: less than asked for when there are so
// many workers that the budget would not hold one file of each twice.
func (s *Supervisor) logMax() int64 {
	s.mu.Lock()
	workers := int64(len(s.runners))
	s.mu.Unlock()
	return min(s.o.LogMaxBytes, max(minLogBytes, s.o.LogBudget/(2*max(workers, 1))))
}

// logRotated wakes the budget; it never blocks.
func (s *Supervisor) logRotated() {
	select {
	case s.rotated <- struct{}{}:
	default:
	}
}

// heldLog is one file of the log folder.
type heldLog struct {
	name, id string
	backup   bool
	size     int64
	changed  time.Time
}

var logName = regexp.MustCompile(`^(.+)\.log(\.[0-9]+)?$`)

func (s *Supervisor) trim(now time.Time) {
	names, err := os.ReadDir(s.o.LogDir)
	if err != nil {
		s.log.Warn("look at the logs of workers", "error", err)
		return
	}
	var held []heldLog
	total := int64(0)
	for _, name := range names {
		match := logName.FindStringSubmatch(name.Name())
		info, err := name.Info()
		if match == nil || err != nil || !info.Mode().IsRegular() {
			continue // not ours, or just gone
		}
		held = append(held, heldLog{name.Name(), match[1], match[2] != "", info.Size(), info.ModTime()})
		total += info.Size()
	}
	slices.SortFunc(held, func(a, b heldLog) int { return a.changed.Compare(b.changed) })
	for _, h := range held {
		_, managed := s.Status(h.id)
		forgotten := !managed && now.Sub(h.changed) > forgottenAge
		// A worker that is gone is not written for: its last file may go, too.
		if !forgotten && (total <= s.o.LogBudget || managed && !h.backup) {
			continue
		}
		if s.dropLog(h, managed) {
			total -= h.size
		}
	}
}

// dropLog removes a file, if it is still the one that was looked at: a rotation
// may have moved it.
func (s *Supervisor) dropLog(h heldLog, managed bool) bool {
	var r *runner
	if managed {
		s.mu.Lock()
		r = s.runners[h.id]
		s.mu.Unlock()
		if r == nil {
			return false
		}
		file := r.sink.log
		file.mu.Lock()
		defer file.mu.Unlock()
	}
	path := filepath.Join(s.o.LogDir, h.name)
	info, err := os.Stat(path)
	if err != nil || info.Size() != h.size || !info.ModTime().Equal(h.changed) {
		return false // moved meanwhile; the next look finds it
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("remove an old log of a worker", "file", h.name, "error", err)
		return false
	}
	if r != nil {
		r.sink.log.shrunk(h.size)
	} else if !h.backup {
		_ = os.Remove(strings.TrimSuffix(path, ".log") + ".at") // where it began is of no use any more
	}
	return true
}
