package httpkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Events writes server-sent events. Make one with SSE; not safe for
// concurrent use.
type Events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// SSE starts a stream of server-sent events: the headers are out when it
// returns.
func SSE(w http.ResponseWriter) (*Events, error) {
	control := http.NewResponseController(w)
	// The stream outlives the server's read deadline.
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("start event stream: %w", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if err := control.Flush(); err != nil {
		return nil, fmt.Errorf("start event stream: %w", err)
	}
	return &Events{w: w, control: control}, nil
}

// Send writes one event; an id of 0 and an empty name are left out.
func (e *Events) Send(id int64, name string, data any) error {
	encoded, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	frame := ""
	if id != 0 {
		frame += "id: " + strconv.FormatInt(id, 10) + "\n"
	}
	if name != "" {
		frame += "event: " + name + "\n"
	}
	return e.write(frame + "data: " + string(encoded) + "\n\n")
}

// Comment writes a line that clients ignore: it keeps the connection alive.
func (e *Events) Comment(text string) error { return e.write(": " + text + "\n\n") }

// write gives the client ten seconds to take the bytes: one that stopped
// reading must not hold the stream open.
func (e *Events) write(frame string) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(10 * time.Second)) // not every writer has deadlines
	if _, err := e.w.Write([]byte(frame)); err != nil {
		return err
	}
	return e.control.Flush()
}
