package storetest

import (
	"fmt"
	"strings"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

var runEventCases = []testCase{
	{name: "run events are kept once, in order", run: keepsRunEvents},
	{name: "run events of an attempt have a bound", run: boundsRunEvents},
	{name: "run events go with their run, and with time", run: forgetsRunEvents},
}

func runEvent(id pipeline.TaskRunID, attempt int, seq int64) store.RunEvent {
	return store.RunEvent{
		TaskRun: id, Attempt: attempt, Seq: seq, Type: "system", At: time.Now().UTC().Truncate(time.Millisecond),
		Payload: []byte(`{"text":"one \u0000 two"}`),
	}
}

// runEvents reads the events of a task run as "attempt.seq".
func (f *fixture) runEvents(id pipeline.TaskRunID, after int64, limit int) (string, []store.RunEvent) {
	f.Helper()
	got, err := f.RunEvents(f.ctx, id, after, limit)
	f.must(err)
	var words []string
	for _, e := range got {
		words = append(words, fmt.Sprintf("%d.%d", e.Attempt, e.Seq))
	}
	return strings.Join(words, " "), got
}

func keepsRunEvents(f *fixture) {
	f.register(task("a"))
	one, two := f.enqueue("a").ID, f.enqueue("a").ID
	add := func(want int, events ...store.RunEvent) {
		f.Helper()
		if got, err := f.AddRunEvents(f.ctx, store.AddRunEvents{Events: events, Most: 1 << 20}); err != nil || got != (store.AddedRunEvents{Added: want}) {
			f.Errorf("added %+v, %v, want %d", got, err, want)
		}
	}
	first := runEvent(one, 1, 1)
	add(0)
	add(3, first, runEvent(two, 1, 1), runEvent(one, 1, 2))
	add(1, first, runEvent(one, 1, 2), runEvent(one, 1, 3), runEvent(one, 1, 3)) // the answer was lost
	add(2, runEvent(one, 2, 1), runEvent("trun_of_nobody", 1, 1), runEvent(one, 1, 5))
	words, got := f.runEvents(one, 0, 100)
	if words != "1.1 1.2 1.3 2.1 1.5" {
		f.Fatalf("got %s", words)
	}
	if e := got[0]; e.TaskRun != one || e.Type != "system" || !e.At.Equal(first.At) || string(e.Payload) != string(first.Payload) {
		f.Errorf("got %+v %s", e, e.Payload)
	}
	if words, _ := f.runEvents(one, got[1].ID, 2); words != "1.3 2.1" {
		f.Errorf("after the second, two: got %s", words)
	}
	if words, _ := f.runEvents(two, 0, 0); words != "1.1" {
		f.Errorf("of the other run: got %s", words)
	}
	odd := runEvent(two, 1, 2)
	odd.Type, odd.Payload = "a\x00b\xff", []byte("\"\x00\xff\"")
	add(1, odd)
}

func boundsRunEvents(f *fixture) {
	f.register(task("a"))
	one, two := f.enqueue("a").ID, f.enqueue("a").ID
	size := int64(len(runEvent(one, 1, 1).Payload))
	add := func(want store.AddedRunEvents, events ...store.RunEvent) {
		f.Helper()
		if got, err := f.AddRunEvents(f.ctx, store.AddRunEvents{Events: events, Most: 3 * size}); err != nil || got != want {
			f.Errorf("added %+v, %v, want %+v", got, err, want)
		}
	}
	add(store.AddedRunEvents{Added: 2}, runEvent(one, 1, 1), runEvent(one, 1, 2))
	add(store.AddedRunEvents{Added: 2, NoRoom: 1}, runEvent(one, 1, 1), runEvent(one, 1, 3), runEvent(one, 1, 4), runEvent(two, 1, 1))
	add(store.AddedRunEvents{NoRoom: 1}, runEvent(one, 1, 4))
	add(store.AddedRunEvents{}, runEvent(one, 1, 3)) // known
	add(store.AddedRunEvents{Added: 1}, runEvent(one, 2, 1))
	if words, _ := f.runEvents(one, 0, 10); words != "1.1 1.2 1.3 2.1" {
		f.Errorf("kept %s", words)
	}
	if words, _ := f.runEvents(two, 0, 10); words != "1.1" {
		f.Errorf("of the other run %s", words)
	}
}

func forgetsRunEvents(f *fixture) {
	f.register(task("a"))
	inRun, alone := f.start("a", "").Entries[0].ID, f.enqueue("a").ID
	f.drain(nil)
	open := f.enqueue("a").ID
	for _, id := range []pipeline.TaskRunID{inRun, alone, open} {
		f.must1(f.AddRunEvents(f.ctx, store.AddRunEvents{Events: []store.RunEvent{runEvent(id, 1, 1), runEvent(id, 1, 2)}, Most: 1 << 20}))
	}
	f.deleteRuns(2)
	for id, want := range map[pipeline.TaskRunID]string{inRun: "", alone: "", open: "1.1 1.2"} {
		if got, _ := f.runEvents(id, 0, 10); got != want {
			f.Errorf("after the runs were deleted: got %q, want %q", got, want)
		}
	}
	if n, err := f.DeleteRunEvents(f.ctx, time.Now().Add(-time.Hour), 10); err != nil || n != 0 {
		f.Errorf("deleted %d young ones, %v", n, err)
	}
	for _, want := range []int{1, 1, 0} {
		if n, err := f.DeleteRunEvents(f.ctx, time.Now().Add(time.Hour), 1); err != nil || n != want {
			f.Errorf("deleted %d, %v, want %d", n, err, want)
		}
	}
}
