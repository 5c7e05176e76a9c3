package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"pipedai/internal/hostdir"
)

// RunningError says that another daemon looks after this home.
type RunningError struct {
	PID  int // 0 when it is not known
	Home string
}

func (e *RunningError) Error() string {
	if e.PID == 0 {
		return "another daemon is already running for " + e.Home
	}
	return fmt.Sprintf("another daemon (pid %d) is already running for %s", e.PID, e.Home)
}

// A daemon that was killed while it started a worker leaves its lock to the
// new process, until that has become the worker.
const (
	lockPatience = time.Second
	lockRetry    = 10 * time.Millisecond
)

// Hold takes the one lock of a home, which keeps every daemon away from it, and
// writes our pid into it. The kernel gives the lock back when the process ends,
// however it ends. *RunningError when a daemon has it.
func Hold(ctx context.Context, dir hostdir.Dir) (release func(), err error) {
	path := dir.Lock()
	if err := hostdir.Plain(path); err != nil {
		return nil, fmt.Errorf("take the daemon's lock: %w", err)
	}
	lock := flock.New(path, flock.SetPermissions(0o600))
	limit, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	got, err := lock.TryLockContext(limit, lockRetry)
	if err != nil && limit.Err() == nil {
		return nil, fmt.Errorf("take the daemon's lock: %w", err)
	}
	if !got {
		return nil, &RunningError{PID: holder(dir), Home: dir.Home()}
	}
	// The file is written, never replaced: a new one would be a second lock.
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write the daemon's lock: %w", err), lock.Unlock())
	}
	return func() { _ = lock.Unlock() }, nil
}

func holder(dir hostdir.Dir) int {
	if data, err := os.ReadFile(dir.Lock()); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			return pid
		}
	}
	info, err := ReadInfo(dir)
	if err != nil {
		return 0
	}
	return info.PID
}
