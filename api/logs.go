package api

// LogLine is one captured line of worker output.
type LogLine struct {
	TS     int64  `json:"ts"`     // ms; 0 for a line that is not in the format of the log
	Stream string `json:"stream"` // "out" or "err"
	Line   string `json:"line"`

	// Pos is how many bytes of the worker's output were written before the line.
	// It grows from line to line, survives rotation and restarts of the daemon,
	// and is what after= and before= take. Added.
	Pos int64 `json:"pos"`
}

// LogLines answers GET /api/workers/{id}/logs, oldest first.
type LogLines struct {
	Items []LogLine `json:"items"`

	// Added. Older and Newer go on from here, as before= and after=; More says
	// that there is more in the direction that was asked for. Gap: lines behind
	// after= are no longer held. Partial: it took too long, and Older or Newer
	// says how far it got.
	Older   int64 `json:"older"`
	Newer   int64 `json:"newer"`
	More    bool  `json:"more"`
	Gap     bool  `json:"gap"`
	Partial bool  `json:"partial"`
	// Oldest is the position of the first line held, End that behind the last.
	Oldest int64 `json:"oldest"`
	End    int64 `json:"end"`
	// Count is how many lines held fit, with count=1; at least so many when
	// CountPartial.
	Count        *int `json:"count,omitempty"`
	CountPartial bool `json:"countPartial,omitempty"`
}
