package dispatch

import (
	"encoding/json"
	"strconv"
	"sync"
	"unicode/utf8"

	"pipedai/api"
)

// buffers holds requests that were sent, to be written over. Large ones are
// left to the garbage collector.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

const largeBuffer = 64 << 10

// appendRequest writes the whole request for one attempt into buf, which is
// overwritten, and returns it with where it starts: the head is only known when
// the body is there, and is put right before it.
func (e *endpoint) appendRequest(buf []byte, d *api.Dispatch) (whole []byte, start int) {
	task := segment(d.TaskID)
	room := len("POST ") + len(e.path) + len("/tasks/") + len(task) + len(e.headers) + headRoom + len("\r\n\r\n")
	if cap(buf) < room {
		buf = make([]byte, 0, 2*room+1<<10)
	}
	buf = appendDispatch(buf[:room], d)
	length := strconv.Itoa(len(buf) - room)
	start = headRoom - len(length)
	head := append(buf[start:start], "POST "...)
	head = append(head, e.path...)
	head = append(head, "/tasks/"...)
	head = append(head, task...)
	head = append(head, e.headers...)
	head = append(head, length...)
	_ = append(head, "\r\n\r\n"...)
	return buf, start
}

// appendDispatch writes what encoding/json would, without looking at types. The
// members that are JSON already are ours, or were checked when they came, and
// go out byte for byte.
func appendDispatch(b []byte, d *api.Dispatch) []byte {
	b = appendText(append(b, `{"runId":`...), d.RunID)
	b = appendText(append(b, `,"taskId":`...), d.TaskID)
	if d.PipelineRunID != "" {
		b = appendText(append(b, `,"pipelineRunId":`...), d.PipelineRunID)
	}
	b = strconv.AppendInt(append(b, `,"attempt":`...), int64(d.Attempt), 10)
	b = strconv.AppendInt(append(b, `,"codeVersion":`...), int64(d.CodeVersion), 10)
	b = appendText(append(b, `,"codeHash":`...), d.CodeHash)
	b = appendText(append(b, `,"storageToken":`...), d.StorageToken)
	b = appendText(append(b, `,"inputPath":`...), d.InputPath)
	if d.InputSHA256 != "" {
		b = appendText(append(b, `,"inputSha256":`...), d.InputSHA256)
	}
	if len(d.Input) > 0 {
		b = append(append(b, `,"input":`...), d.Input...)
	}
	b = appendRaw(append(b, `,"upstreamRefs":`...), d.UpstreamRefs)
	b = appendRaw(append(b, `,"previousAttempts":`...), d.PreviousAttempts)
	b = strconv.AppendInt(append(b, `,"heartbeatIntervalMs":`...), d.HeartbeatIntervalMs, 10)
	b = strconv.AppendInt(append(b, `,"timeoutMs":`...), d.TimeoutMs, 10)
	if d.EventsToken != "" {
		b = appendText(append(b, `,"eventsToken":`...), d.EventsToken)
	}
	if len(d.TempUploads) > 0 { // rarely: worth no encoder of its own
		uploads, _ := json.Marshal(d.TempUploads) // texts and numbers never fail
		b = append(append(b, `,"tempUploads":`...), uploads...)
	}
	return append(b, '}')
}

func appendRaw(b []byte, raw json.RawMessage) []byte {
	if raw == nil {
		return append(b, "null"...)
	}
	return append(b, raw...)
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string never fails
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
