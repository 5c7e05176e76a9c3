package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// tally is what a push service or a pull worker counts. The harness speaks to
// them by lines: it writes commands to their standard input, and reads one
// JSON line per answer.
type tally struct {
	mu     sync.Mutex
	now    counts
	at     int // executing now
	expect int // acknowledged reports to announce; 0: none
	hold   int // dispatches still to be left unanswered
	say    *json.Encoder
}

// counts is one answer. Times are nanoseconds of the wall clock, which all
// processes here share.
type counts struct {
	Event    string  `json:"event"`             // "ready", "done" or "stats"
	Receipts int     `json:"receipts"`          // attempts received
	Acks     int     `json:"acks"`              // reports the engine acknowledged
	Refused  int     `json:"refused"`           // reports it did not
	Refusal  string  `json:"refusal,omitempty"` // the first of them
	MaxAtOne int     `json:"maxAtOnce"`
	First    int64   `json:"first"`
	Last     int64   `json:"last"` // acknowledgement
	Now      int64   `json:"now"`
	Times    []int64 `json:"times,omitempty"` // of the first receipts
	Address  string  `json:"address,omitempty"`
}

// keptTimes bounds counts.Times.
const keptTimes = 4096

func newTally(out io.Writer) *tally { return &tally{say: json.NewEncoder(out)} }

// received notes an attempt and reports whether it is one to leave unanswered.
func (t *tally) received(n int) (hold bool) {
	now := time.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now.Receipts == 0 {
		t.now.First = now
	}
	t.now.Receipts += n
	if len(t.now.Times) < keptTimes {
		t.now.Times = append(t.now.Times, now)
	}
	if t.hold > 0 {
		t.hold--
		return true
	}
	t.at += n
	t.now.MaxAtOne = max(t.now.MaxAtOne, t.at)
	return false
}

// reporting notes that the work on n attempts is over.
func (t *tally) reporting(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at -= n
}

// reported notes reports that were acknowledged.
func (t *tally) reported(n int) {
	now := time.Now().UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Acks += n
	t.now.Last = now
	if t.expect > 0 && t.now.Acks >= t.expect {
		t.expect = 0
		t.answer("done")
	}
}

// refused notes a report that was not.
func (t *tally) refused(why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Refused++
	t.now.Refusal = cmp.Or(t.now.Refusal, why)
}

// answer writes a line; t.mu is held.
func (t *tally) answer(event string) {
	out := t.now
	out.Event, out.Now = event, time.Now().UnixNano()
	_ = t.say.Encode(out) // the harness is gone: so are we, soon
}

func (t *tally) ready(address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.say.Encode(counts{Event: "ready", Address: address})
}

// listen obeys commands until the input ends, which is when the harness does.
//
//	expect N   count anew, and say so when N reports are acknowledged
//	hold N     leave the next N dispatches unanswered
//	stats      say the counts
func (t *tally) listen(ctx context.Context, in io.Reader) error {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- s.Text()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, open := <-lines:
			if !open {
				return nil
			}
			if err := t.obey(line); err != nil {
				return err
			}
		}
	}
}

func (t *tally) obey(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	n := 0
	if rest != "" {
		if _, err := fmt.Sscan(rest, &n); err != nil {
			return fmt.Errorf("command %q: %w", line, err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch word {
	case "expect":
		t.now, t.expect, t.hold = counts{MaxAtOne: t.at}, n, 0
	case "hold":
		t.hold = n
	case "stats":
		t.answer("stats")
	default:
		return fmt.Errorf("no command is called %q", word)
	}
	return nil
}
