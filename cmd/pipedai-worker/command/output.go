package command

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"pipedai/storage"
	"pipedai/worker"
)

// boundedBuffer keeps what a command prints, up to a limit. Beyond it the
// rest is thrown away and the command is ended.
type boundedBuffer struct {
	limit    int
	buf      bytes.Buffer
	overflow chan struct{}
	mu       sync.Mutex
	over     bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return len(p), nil
	}
	if b.buf.Len()+len(p) > b.limit {
		b.over = true
		b.buf.Reset()
		close(b.overflow)
		return len(p), nil
	}
	return b.buf.Write(p)
}

func (b *boundedBuffer) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over
}

// lineReader takes a command's stderr line by line.
type lineReader struct {
	ctx     *worker.Context
	partial []byte
	cut     bool // the rest of a line that was too long is dropped

	next    *[]string
	failure *worker.LineFailure
	assets  map[string]storage.AssetType
	last    string // the newest ordinary line: often the reason of a failure
}

// Write is called by one goroutine, which has ended when the command has.
func (l *lineReader) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			l.keep(p)
			break
		}
		l.keep(p[:end])
		l.flush()
		l.cut = false
		p = p[end+1:]
	}
	return total, nil
}

func (l *lineReader) keep(p []byte) {
	if l.cut {
		return
	}
	l.partial = append(l.partial, p...)
	if len(l.partial) > maxLine {
		l.partial = append(l.partial[:maxLine], " [cut]"...)
		l.cut = true
	}
}

// flush takes the line so far as a whole one.
func (l *lineReader) flush() {
	line := strings.ToValidUTF8(strings.TrimRight(string(l.partial), "\r"), "�")
	l.partial = l.partial[:0]
	if line == "" {
		return
	}
	if !strings.HasPrefix(line, "::") || !l.directive(line) {
		l.last = line
		l.ctx.Log().Info(line, "stream", "stderr") //nolint:sloglint // what the command printed is the message
	}
}

// directive obeys a line that starts with "::". One that is malformed is an
// ordinary line, so that nothing a command says is lost.
func (l *lineReader) directive(line string) bool {
	name, value, _ := strings.Cut(line, " ")
	value = strings.TrimSpace(value)
	switch name {
	case worker.LineProgress:
		number, message, _ := strings.Cut(value, " ")
		percent, err := strconv.ParseFloat(strings.TrimSuffix(number, "%"), 64)
		if err != nil {
			return false
		}
		l.ctx.Progress(percent, message)
	case worker.LineNext:
		next := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		l.next = &next
	case worker.LineError:
		var failure worker.LineFailure
		if json.Unmarshal([]byte(value), &failure) != nil || failure.Message == "" {
			return false
		}
		l.failure = &failure
	case worker.LineAsset:
		var asset worker.LineNewAsset
		if json.Unmarshal([]byte(value), &asset) != nil || !asset.Type.Valid() {
			return false
		}
		if l.assets == nil {
			l.assets = map[string]storage.AssetType{}
		}
		l.assets[asset.Key] = asset.Type
	case worker.LineLog:
		return l.log(value)
	default:
		return false
	}
	return true
}

func (l *lineReader) log(value string) bool {
	var fields map[string]any
	if json.Unmarshal([]byte(value), &fields) != nil {
		return false
	}
	message, ok := fields["message"].(string)
	if !ok {
		return false
	}
	level := slog.LevelInfo
	if name, ok := fields["level"].(string); ok {
		_ = level.UnmarshalText([]byte(name)) // an unknown level stays info
	}
	delete(fields, "message")
	delete(fields, "level")
	var args []any
	for name, value := range fields {
		args = append(args, name, value)
	}
	l.ctx.Log().Log(l.ctx, level, message, args...) //nolint:sloglint // what the command said is the message
	return true
}

func newBoundedBuffer(limit int) *boundedBuffer {
	return &boundedBuffer{limit: limit, overflow: make(chan struct{})}
}
