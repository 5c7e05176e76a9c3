package flow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

// The sentences the engine writes into rows.
const (
	CodeTimeout      = "TIMEOUT"
	ErrorFailFast    = "Pipeline failed in fail-fast mode"
	errorHeartbeat   = "Task heartbeat timeout"
	errorCancelled   = "Cancelled"
	errorUnspecified = "Unknown error"
)

// ErrorRemoved is the error of a task run whose task a version removed.
func ErrorRemoved(version string) string { return "Task type removed in version " + version }

// Expired is the end of an attempt whose lease has run out as of now.
func Expired(h Held, now time.Time) store.EndAttempt {
	text, class := errorHeartbeat, store.ReasonInfra
	if !h.Deadline.After(now) {
		class = ""
		text = fmt.Sprintf("Task exceeded timeout of %ds", int(h.Timeout.Seconds()))
	}
	return store.EndAttempt{
		AttemptRef: h.AttemptRef,
		Failure:    &store.Failure{Error: text, Code: CodeTimeout, Timeout: true, ReasonClass: class},
	}
}

// Grace is added to every deadline: beats of real workers drift.
func Grace(limit time.Duration) time.Duration { return min(limit/10, 5*time.Second) }

// Window is how long an accepted attempt may stay silent.
func Window(interval time.Duration) time.Duration { return 2*interval + Grace(2*interval) }

// Stamp spells a time as rows and the wire do.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// Text makes what a worker sent fit a text column: valid UTF-8 without NUL.
// PostgreSQL refuses anything else, and one bad item must not fail its batch.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Texts is Text for each of several.
func Texts(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = Text(s)
	}
	return out
}

func cleanAssets(in map[string]store.Asset) map[string]store.Asset {
	out := make(map[string]store.Asset, len(in))
	for key, a := range in {
		out[Text(key)] = store.Asset{Path: Text(a.Path), Size: a.Size, Type: Text(a.Type), SHA256: Text(a.SHA256)}
	}
	return out
}

// Fill completes a task run read from its row: upstream refs in their order
// (nil: as they are) and the progress that lives in the metadata.
func Fill(t *store.TaskRun, order []pipeline.TaskID) {
	inOrder(t.UpstreamRefs, order)
	var meta struct {
		Progress        *float64 `json:"progress"`
		ProgressMessage string   `json:"progressMessage"`
	}
	// A caller's metadata may hold other things under these names.
	if len(t.Metadata) > len("{}") && json.Unmarshal(t.Metadata, &meta) == nil {
		t.Progress, t.ProgressMessage = meta.Progress, meta.ProgressMessage
	}
	if len(t.Assets) == 0 {
		t.Assets = nil
	}
	if len(t.PreviousAttempts) == 0 {
		t.PreviousAttempts = nil
	}
}

// Progress is what a heartbeat merges into the metadata of its task run.
func Progress(b store.Heartbeat) map[string]any {
	out := map[string]any{}
	if b.Progress != nil {
		out["progress"] = *b.Progress
	}
	if b.Message != "" {
		out["progressMessage"] = Text(b.Message)
	}
	return out
}

// inOrder sorts upstream refs as they were stored (nil: leaves them).
func inOrder(refs store.UpstreamRefs, order []pipeline.TaskID) {
	if len(order) == 0 {
		return
	}
	place := map[pipeline.TaskID]int{}
	for i, task := range order {
		place[task] = i
	}
	slices.SortStableFunc(refs, func(a, b store.Upstream) int { return place[a.Task] - place[b.Task] })
}
