package flow

import (
	"cmp"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// Announced is what a registration means for one task.
type Announced struct {
	store.Task                   // as it is to be stored
	New        bool              // not known before
	Version    bool              // record its code version in the history
	Change     *store.CodeChange // its code differs from the stored one
	Moved      bool              // its queue or its limit differs: move what waits
}

// Announce compares an announced task with the stored one (known says whether
// there is one). A return to an older hash is a new version too.
func Announce(t store.Task, service pipeline.ServiceID, old Task, known bool) Announced {
	t.Service = service
	t.Retry.Backoff = cmp.Or(t.Retry.Backoff, pipeline.BackoffExponential)
	out := Announced{Task: t, New: !known}
	switch {
	case !known:
		out.CodeVersion, out.Version, out.Moved = 1, true, t.Concurrency > 0
	case old.CodeHash != t.CodeHash:
		out.CodeVersion, out.Version = old.CodeVersion+1, true
		out.Change = &store.CodeChange{
			Task: t.ID, OldHash: old.CodeHash, NewHash: t.CodeHash,
			OldVersion: old.CodeVersion, NewVersion: old.CodeVersion + 1,
		}
	default:
		out.CodeVersion = old.CodeVersion
	}
	if known {
		out.Moved = old.Service != service || old.Concurrency != t.Concurrency
	}
	return out
}

// Removed returns the stored tasks of a service that an announcement no longer
// has and that were not reported before. Only another version removes tasks.
func Removed(oldVersion, newVersion string, stored []store.Task, announced []store.Task) []pipeline.TaskID {
	if oldVersion == newVersion {
		return nil
	}
	has := map[pipeline.TaskID]bool{}
	for _, t := range announced {
		has[t.ID] = true
	}
	var out []pipeline.TaskID
	for _, t := range stored {
		if !t.Removed && !has[t.ID] {
			out = append(out, t.ID)
		}
	}
	return out
}

// Millis is a duration as the integer columns hold it; they are 32 bits wide.
func Millis(d time.Duration) int64 { return clamp(d.Milliseconds()) }

// Seconds is like Millis, rounded up so that a short limit is not none.
func Seconds(d time.Duration) int64 {
	whole := d.Truncate(time.Second)
	if whole < d {
		return clamp(int64(whole/time.Second) + 1)
	}
	return clamp(int64(whole / time.Second))
}

func clamp(n int64) int64 { return max(0, min(n, 1<<31-1)) }
