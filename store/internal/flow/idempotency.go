package flow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// TaskKey is a caller's key within its task, as the cache holds it.
func TaskKey(task pipeline.TaskID, key string) string { return hashed(string(task) + ":" + Text(key)) }

// RunKey is a caller's key within its pipeline.
func RunKey(p pipeline.ID, key string) string {
	return hashed("pipeline:" + string(p) + ":" + Text(key))
}

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// KeyClaim wants a key for a task run.
type KeyClaim struct {
	Key string // TaskKey
	By  pipeline.TaskRunID
	// Running says that By is about to execute: only a task run that executes
	// stands in its way. One that waits, for a retry perhaps, may wait for the
	// very slot that By has, and finds the result when its turn comes.
	Running bool
}

// Stands reports whether a task run that has the key stands against the claim.
func (c KeyClaim) Stands(run store.TaskRun) bool {
	return run.ID != c.By && !run.Status.Terminal() && (!c.Running || run.Status == pipeline.TaskRunning)
}

// KeyState is what stands against a claim; nothing when it was granted.
type KeyState struct {
	Open *store.TaskRun // has the key
	Hit  *store.IdempotencyAnswer
}

// RunKeyClaim wants a key for a pipeline run.
type RunKeyClaim struct {
	Key string // RunKey
	By  pipeline.RunID
	TTL time.Duration
}

// Holds reports whether a run still answers for its key.
func Holds(run store.PipelineRun, ttl time.Duration, now time.Time) bool {
	switch run.Status {
	case pipeline.RunPending, pipeline.RunRunning:
		return true
	case pipeline.RunCompleted:
		return run.CompletedAt.Add(ttl).After(now)
	default:
		return false // failures are not remembered
	}
}

// Cached is a result to remember under a key.
type Cached struct {
	Key     string
	TaskRun pipeline.TaskRunID
}

// Hit is a task run born completed that takes its result from the cache.
type Hit struct {
	ID  pipeline.TaskRunID
	Key string
}

// claimKeys asks for the keys of items, of each key once.
func (b *Batch) claimKeys(ctx context.Context, items []store.EnqueueTask) (map[string]KeyState, error) {
	var claims []KeyClaim
	seen := map[string]bool{}
	for i := range items {
		item := &items[i]
		if item.IdempotencyKey == "" {
			continue
		}
		if item.ID == "" {
			item.ID = pipeline.NewTaskRunID(b.now)
		}
		if key := TaskKey(item.Task, item.IdempotencyKey); !seen[key] {
			seen[key] = true
			claims = append(claims, KeyClaim{Key: key, By: item.ID})
		}
	}
	if len(claims) == 0 {
		return nil, nil
	}
	return b.tx.ClaimKeys(ctx, claims)
}

// known answers an item whose key is taken or whose result is known.
func (b *Batch) known(p store.EnqueueTask, t Task, state KeyState, key string) (store.TaskRun, bool) {
	switch {
	case state.Open != nil:
		return *state.Open, true
	case state.Hit == nil:
		return store.TaskRun{}, false
	}
	b.input(p.Input)
	b.insert(t, store.TaskRun{
		ID: p.ID, InputPath: p.Input.Path, IdempotencyKey: Text(p.IdempotencyKey),
		Metadata: withOrigin(p.Metadata, state.Hit.Of),
	}, p.Priority)
	in := &b.Changes.Inserts[len(b.Changes.Inserts)-1]
	in.Status, in.CompletedAt = pipeline.TaskCompleted, b.now
	b.Changes.Counts.Pending--
	b.Changes.Counts.Completed++
	b.Changes.Hits = append(b.Changes.Hits, Hit{ID: in.ID, Key: key})
	run := in.TaskRun
	run.OutputPath, run.OutputSize, run.OutputSHA256, run.Assets = state.Hit.OutputPath, state.Hit.OutputSize, state.Hit.SHA256, state.Hit.Assets
	return run, true
}

// Reused is what an attempt of run hears of a result that is known, made by the
// task run made (nil: it is gone). ok is false where the result is of no use:
// it is in another storage backend, where what follows run does not look.
func Reused(hit store.IdempotencyAnswer, made *store.TaskRun, run store.TaskRun) (answer store.IdempotencyAnswer, ok bool) {
	if made == nil {
		return hit, true
	}
	if backendOf(made.Metadata) != backendOf(run.Metadata) {
		return store.IdempotencyAnswer{}, false
	}
	hit.SelectedNext = made.SelectedNext
	return hit, true
}

// withOrigin notes in metadata whose result a task run has.
func withOrigin(metadata json.RawMessage, of pipeline.TaskRunID) json.RawMessage {
	members := map[string]any{}
	if err := json.Unmarshal(Object(metadata), &members); err != nil {
		members = map[string]any{} // not reached: an object always decodes
	}
	members["idempotentOf"] = string(of)
	return Object(json.RawMessage(mustJSON(members)))
}

func mustJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		return []byte("{}") // not reached: it was decoded from JSON
	}
	return out
}

// keep notes the key of an attempt that ends.
func (b *Batch) keep(h Held) {
	if h.Key != "" {
		b.keyed[h.ID] = TaskKey(h.Task, h.Key)
	}
}

// settleKeys remembers results and gives keys back.
func (b *Batch) settleKeys() {
	for _, f := range b.Changes.Finishes {
		key, has := b.keyed[f.ID]
		if !has {
			continue
		}
		b.Changes.Unclaims = append(b.Changes.Unclaims, f.ID)
		if f.Status == pipeline.TaskCompleted && f.OutputPath != "" {
			b.Changes.Caches = append(b.Changes.Caches, Cached{Key: key, TaskRun: f.ID})
		}
	}
	for _, x := range b.Changes.Cancels {
		b.Changes.Unclaims = append(b.Changes.Unclaims, x.ID)
	}
}

// Existing answers a trigger with a run that exists. rows are its task runs by
// creation.
func Existing(run store.PipelineRun, rows []store.TaskRun) store.StartedRun {
	out := store.StartedRun{Run: run}
	for _, entry := range run.EntryTasks {
		for _, t := range rows {
			if t.Task == entry {
				out.Entries = append(out.Entries, t)
				break // later ones repeat it
			}
		}
	}
	return out
}
