package pipeline

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The identifiers of the engine. They are opaque to clients; only the prefix
// is promised.
type (
	// ID names a pipeline definition; chosen by whoever defines it.
	ID string
	// TaskID names a task definition; global, chosen by the worker's author.
	TaskID string
	// ServiceID names the registered identity of a worker.
	ServiceID string
	// RunID names one passage through a pipeline: "prun_" and 16 of 0-9a-z.
	RunID string
	// TaskRunID names one record of work: "trun_" and 16 of 0-9a-z.
	TaskRunID string
	// DeadLetterID names one dead letter: "dlq_" and 16 of 0-9a-z.
	DeadLetterID string
)

// longestID bounds the ids that callers choose, in bytes.
const longestID = 255

// IDRule says in words what ValidID asks for.
const IDRule = "Must be 1 to 255 characters that a URL path segment can hold unescaped, other than '.' and '..'"

// ValidID reports whether an id that a caller chose, of a service, a task or a
// pipeline, can be used: it goes into URL paths as it is, and workers in the
// field compare the segment as it was sent, so nothing may need escaping.
func ValidID(id string) bool {
	if id == "" || len(id) > longestID || id == "." || id == ".." {
		return false
	}
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("-._~!$&'()*+,;=:@", rune(c)) {
			return false
		}
	}
	return true
}

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// NewRunID makes a pipeline run id. Ids made later sort after earlier ones
// (to the millisecond), so tables keyed by them grow at one end.
func NewRunID(now time.Time) RunID { return RunID("prun_" + ordered(now)) }

// NewTaskRunID makes a task run id, ordered like NewRunID.
func NewTaskRunID(now time.Time) TaskRunID { return TaskRunID("trun_" + ordered(now)) }

// NewDeadLetterID makes a dead letter id, ordered like NewRunID.
func NewDeadLetterID(now time.Time) DeadLetterID { return DeadLetterID("dlq_" + ordered(now)) }

// ordered is eight base-36 digits of the time in milliseconds (enough until
// the year 2059) and eight random ones.
func ordered(now time.Time) string {
	stamp := strconv.FormatInt(now.UnixMilli(), 36)
	stamp = strings.Repeat("0", max(0, 8-len(stamp))) + stamp
	return stamp[len(stamp)-8:] + Random(8)
}

// Random returns n characters of 0-9a-z from the system's random source.
func Random(n int) string {
	out := make([]byte, 0, n)
	var buf [32]byte
	for len(out) < n {
		_, _ = rand.Read(buf[:]) // never fails: crypto/rand aborts the program instead
		for _, b := range buf {
			// 252 is the largest multiple of 36 in a byte; what lies above would
			// make the first characters likelier.
			if b < 252 && len(out) < n {
				out = append(out, alphabet[b%36])
			}
		}
	}
	return string(out)
}

// Wire returns the run id that attempt n of a task run carries on the wire:
// the id itself for the first attempt, "<id>.<n>" after it. A worker that
// reports nothing but the id thereby names its attempt too, so that a late
// report of attempt 1 cannot end attempt 2, and overlapping attempts on one
// worker do not share a scratch folder.
func (id TaskRunID) Wire(attempt int) string {
	if attempt <= 1 {
		return string(id)
	}
	return fmt.Sprintf("%s.%d", id, attempt)
}

// ParseWire undoes Wire. What Wire never makes ("x.1", "x.02") is taken whole,
// as an id that nobody has. Attempt is 1 for a bare id; a caller that holds an
// explicit attempt number trusts that one instead.
func ParseWire(wire string) (id TaskRunID, attempt int) {
	base, suffix, _ := strings.Cut(wire, ".")
	n, err := strconv.Atoi(suffix)
	if err != nil || n < 2 || TaskRunID(base).Wire(n) != wire {
		return TaskRunID(wire), 1
	}
	return TaskRunID(base), n
}
