package daemon

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"runtime"
	"time"

	"pipedai/api"
)

// workersOutlive reports whether workers can outlive a daemon here. On Windows
// they are in job objects, which end with it.
const workersOutlive = runtime.GOOS != "windows"

// jobTimeout bounds how long a stop waits to hear what it is for.
const jobTimeout = 3 * time.Second

// LeftError is what Run returns after it was asked to leave: everything of the
// daemon is over, and its workers run. Whoever called Run starts a new daemon
// when ComeBack is set.
type LeftError struct {
	ComeBack bool
	Reason   string
	Port     int // that the local API had; a new daemon should take the same

	// Rehearsal is a version to try first; see Stage.Rehearse.
	Rehearsal *Rehearsal
	// Become says that the next daemon is another version: this process should
	// become it, whoever started it.
	Become bool
}

func (e *LeftError) Error() string {
	if e.ComeBack {
		return "the daemon restarts: " + e.Reason
	}
	return "the daemon left its workers running: " + e.Reason
}

// Leave implements localapi.Backend. It is the one way out besides a stop, for
// a restart and after an upgrade of this program alike: the workers go on, and
// the next daemon takes them up again.
func (h *host) Leave(_ context.Context, comeBack bool, reason string) (api.Leaving, error) {
	if comeBack && h.o.CannotRestart != "" {
		return api.Leaving{}, &api.Error{
			Status: http.StatusConflict, Code: api.CodeConflict, Message: h.o.CannotRestart,
			Fix: "stop it and start it again: " + h.command("start"),
		}
	}
	mine := &LeftError{ComeBack: comeBack, Reason: cmp.Or(reason, "somebody asked for it")}
	if !h.left.CompareAndSwap(nil, mine) {
		if before := h.left.Load(); before.ComeBack != comeBack {
			return api.Leaving{}, &api.Error{
				Status: http.StatusConflict, Code: api.CodeConflict, Message: before.Error(),
				Fix: "look at it in a moment: " + h.command("status"),
			}
		}
		return h.leaving(comeBack), nil
	}
	if !h.phase.CompareAndSwap(phaseReady, phaseDetaching) {
		h.left.Store(nil)
		return api.Leaving{}, h.stopping()
	}
	answer := h.leaving(comeBack)
	h.o.Log.Info("leaving the workers running", "restart", comeBack, "reason", mine.Reason, "workers", answer.Workers)
	h.end() // the server ends last, after it has sent this answer
	return answer, nil
}

// leaveIfRestarting turns a stop that is the first half of a restart into
// leaving.
func (h *host) leaveIfRestarting(ctx context.Context) {
	if h.o.Restarting == nil || h.phase.Load() != phaseReady {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	if h.o.Restarting(ctx) && h.left.CompareAndSwap(nil, &LeftError{ComeBack: true, Reason: "the service is restarted"}) {
		h.phase.CompareAndSwap(phaseReady, phaseDetaching)
	}
}

func (h *host) leaving(comeBack bool) api.Leaving {
	return api.Leaving{
		PID: os.Getpid(), StartedAt: api.At(h.startedAt), ComesBack: comeBack,
		By: h.o.ServiceManager, Workers: h.runningWorkers(),
	}
}
