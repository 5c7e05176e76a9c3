package engine

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/api"
)

func runEvent(i int) api.StreamEvent { return api.StreamEvent{Type: "run", RunID: fmt.Sprint(i)} }

func TestFeed_newReaderHearsWhereItStands(t *testing.T) {
	t.Parallel()
	f := newFeed(time.Now())
	f.Publish(runEvent(1))
	backlog, events, cancel := f.Subscribe(0)
	defer cancel()
	if len(backlog) != 1 || backlog[0].Type != "resync" {
		t.Fatalf("got %+v, want a resync", backlog)
	}
	f.Publish(runEvent(2))
	got := <-events
	if got.RunID != "2" || got.Seq != backlog[0].Seq+1 || got.At.IsZero() {
		t.Errorf("got %+v after %d", got, backlog[0].Seq)
	}
}

func TestFeed_resume(t *testing.T) {
	t.Parallel()
	f := newFeed(time.Now())
	start, _, cancel := f.Subscribe(0)
	cancel()
	first := start[0].Seq + 1
	const published = 2*feedHeld + 17 // around the ring more than once
	for i := range published {
		f.Publish(runEvent(i))
	}
	last := first + published - 1
	tests := []struct {
		name   string
		since  int64
		missed int // -1: resync
	}{
		{"nothing missed", last, 0},
		{"one missed", last - 1, 1},
		{"all that is held", last - feedHeld, feedHeld},
		{"one more than is held", last - feedHeld - 1, -1},
		{"the very first", first - 1, -1},
		{"a number of another process", last + 1, -1},
		{"a negative number", -1, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			backlog, events, cancel := f.Subscribe(tt.since)
			defer cancel()
			if tt.missed < 0 {
				if len(backlog) != 1 || backlog[0].Type != "resync" || backlog[0].Seq != last {
					t.Fatalf("got %+v, want a resync at %d", backlog, last)
				}
				return
			}
			if len(backlog) != tt.missed {
				t.Fatalf("got %d events, want %d", len(backlog), tt.missed)
			}
			for i, event := range backlog {
				wantSeq := tt.since + 1 + int64(i)
				if event.Seq != wantSeq || event.RunID != fmt.Sprint(wantSeq-first) {
					t.Fatalf("event %d: got %+v, want number %d", i, event, wantSeq)
				}
			}
			select {
			case event := <-events:
				t.Errorf("got %+v twice", event)
			default:
			}
		})
	}
}

func TestFeed_slowReaderIsClosed(t *testing.T) {
	t.Parallel()
	f := newFeed(time.Now())
	_, slow, cancelSlow := f.Subscribe(0)
	defer cancelSlow()
	_, quick, cancelQuick := f.Subscribe(0)
	defer cancelQuick()
	for i := range feedBuffer + 1 {
		f.Publish(runEvent(i)) // would block here if it waited for readers
		<-quick
	}
	var seen int64
	read := 0
	for event := range slow {
		seen = event.Seq
		read++
	}
	if read != feedBuffer {
		t.Errorf("the slow reader got %d events before it was closed, want %d", read, feedBuffer)
	}
	backlog, _, cancel := f.Subscribe(seen)
	defer cancel()
	if len(backlog) != 1 || backlog[0].Type == "resync" {
		t.Errorf("coming back it missed %+v, want the one event", backlog)
	}
}

func TestFeed_cancel(t *testing.T) {
	t.Parallel()
	f := newFeed(time.Now())
	_, events, cancel := f.Subscribe(0)
	cancel()
	cancel()
	if _, open := <-events; open {
		t.Error("the channel is open")
	}
	f.Publish(runEvent(1)) // to nobody
}

// A feed that nobody reads holds nothing, and a reader that comes back too late
// is told to fetch afresh.
func TestFeed_nobodyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(time.Now())
		backlog, _, cancel := f.Subscribe(0)
		since := backlog[0].Seq
		cancel()
		time.Sleep(feedKept)
		f.Publish(runEvent(1))
		if backlog, _, cancel := f.Subscribe(since); len(backlog) != 1 || backlog[0].Type == "resync" {
			t.Errorf("back after a minute: got %+v, want the event", backlog)
		} else {
			cancel()
		}
		time.Sleep(feedKept + time.Second)
		f.Publish(runEvent(2))
		if len(f.held) != 0 {
			t.Errorf("holds %d events for nobody", len(f.held))
		}
		backlog, _, cancel = f.Subscribe(since)
		defer cancel()
		if len(backlog) != 1 || backlog[0].Type != "resync" {
			t.Errorf("back much later: got %+v, want a resync", backlog)
		}
	})
}
