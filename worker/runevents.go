package worker

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/hostdir"
)

// runEvents keeps what happens in runs: in one file a run on this host, for the
// host's own dashboard, and at the control plane. Either may be missing; a nil
// one keeps nothing. It is best effort: no run waits or fails because its
// events could not be kept.
type runEvents struct {
	dir string // "": no files
	up  *uplink
}

// begin opens the events of a run. token is what the control plane wants to
// see with them; empty when it wants none.
func (e *runEvents) begin(wire, token string) *runLedger {
	if e == nil || hostdir.ValidID(wire) != nil {
		return nil
	}
	l := &runLedger{}
	if e.dir != "" {
		l.open(filepath.Join(e.dir, wire+".ndjson"))
	}
	if e.up != nil && token != "" {
		l.up = &upstream{to: e.up, wire: wire, token: token}
	}
	if l.file == nil && l.up == nil {
		return nil
	}
	l.write("system", map[string]any{"subtype": "started", "text": "started"})
	return l
}

// runLedger takes the events of one run; a nil one keeps nothing.
type runLedger struct {
	mu   sync.Mutex
	file *os.File // nil: none
	seq  int64    // of the file
	up   *upstream
}

// open goes on with the numbers of a file that is there: the same run may come
// to this host again.
func (l *runLedger) open(path string) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return
	}
	if old, err := os.ReadFile(path); err == nil {
		l.seq = int64(bytes.Count(old, []byte("\n")))
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		l.file = file
	}
}

// runEvent is one line.
type runEvent struct {
	Seq     int64          `json:"seq"`
	Type    string         `json:"type"`
	TS      api.Time       `json:"ts"`
	Payload map[string]any `json:"payload"`
}

func (l *runLedger) write(kind string, payload map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := api.At(time.Now())
	if l.file != nil {
		l.seq++
		if line, err := json.Marshal(runEvent{Seq: l.seq, Type: kind, TS: at, Payload: payload}); err == nil {
			_, _ = l.file.Write(append(line, '\n'))
		}
	}
	if l.up != nil {
		l.up.write(kind, at, payload)
	}
}

func (l *runLedger) line(line logLine) {
	if l != nil {
		l.write("system", map[string]any{"subtype": "log", "level": levelName(line.level), "text": line.message})
	}
}

func (l *runLedger) progress(percent float64, message string) {
	if l != nil {
		l.write("system", map[string]any{"subtype": "progress", "percent": percent, "text": message})
	}
}

// end writes the result; what comes later is dropped.
func (l *runLedger) end(req api.CallbackRequest) {
	if l == nil {
		return
	}
	result := req.Status
	if req.Error != "" {
		result += ": " + req.Error
	}
	l.write("result", map[string]any{"result": result, "status": req.Status, "errorCode": req.ErrorCode})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file, l.up = nil, nil
}
