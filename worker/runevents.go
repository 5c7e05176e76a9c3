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

// runEvents keeps what happens in runs on this host, one file a run, for the
// host's own dashboard. A nil one keeps nothing. It is best effort: no run
// fails because its events could not be kept.
type runEvents struct{ dir string }

// begin opens the file of a run.
func (e *runEvents) begin(wire string) *runEventFile {
	if e == nil || hostdir.ValidID(wire) != nil {
		return nil
	}
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return nil
	}
	path := filepath.Join(e.dir, wire+".ndjson")
	f := &runEventFile{}
	// The same run may come to this host again: the numbers go on ascending.
	if old, err := os.ReadFile(path); err == nil {
		f.seq = int64(bytes.Count(old, []byte("\n")))
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil
	}
	f.file = file
	f.write("system", map[string]any{"subtype": "started", "text": "started"})
	return f
}

// runEventFile is the file of one run; a nil one keeps nothing.
type runEventFile struct {
	mu   sync.Mutex
	file *os.File
	seq  int64
}

// runEvent is one line.
type runEvent struct {
	Seq     int64          `json:"seq"`
	Type    string         `json:"type"`
	TS      api.Time       `json:"ts"`
	Payload map[string]any `json:"payload"`
}

func (f *runEventFile) write(kind string, payload map[string]any) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return
	}
	f.seq++
	line, err := json.Marshal(runEvent{Seq: f.seq, Type: kind, TS: api.At(time.Now()), Payload: payload})
	if err != nil {
		return
	}
	_, _ = f.file.Write(append(line, '\n'))
}

func (f *runEventFile) line(line logLine) {
	if f != nil {
		f.write("system", map[string]any{"subtype": "log", "level": levelName(line.level), "text": line.message})
	}
}

func (f *runEventFile) progress(percent float64, message string) {
	if f != nil {
		f.write("system", map[string]any{"subtype": "progress", "percent": percent, "text": message})
	}
}

// end writes the result and closes the file.
func (f *runEventFile) end(req api.CallbackRequest) {
	if f == nil {
		return
	}
	result := req.Status
	if req.Error != "" {
		result += ": " + req.Error
	}
	f.write("result", map[string]any{"result": result, "status": req.Status, "errorCode": req.ErrorCode})
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.file.Close()
	f.file = nil
}
