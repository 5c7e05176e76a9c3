package api

// TaskLogLine is one line of the log that a task run left in storage.
type TaskLogLine struct {
	Pos   int64  `json:"pos"` // bytes of the log before it; what after= and before= take
	At    Time   `json:"at"`  // null where the line does not say
	Level string `json:"level"`
	Text  string `json:"text"`
}

// TaskLog answers GET /api/task-runs/{id}/logs, oldest first.
type TaskLog struct {
	Items []TaskLogLine `json:"items"`
	// Older and Newer go on from here, as before= and after=; More says that
	// there is more in the direction that was asked for. Partial: it took too
	// long, and Older or Newer says how far it got.
	Older   int64 `json:"older"`
	Newer   int64 `json:"newer"`
	More    bool  `json:"more"`
	Partial bool  `json:"partial"`
	End     int64 `json:"end"` // the length of the log in bytes; 0: the run has none yet
	// Count is how many lines fit, with count=1; at least so many when
	// CountPartial.
	Count        *int `json:"count,omitempty"`
	CountPartial bool `json:"countPartial,omitempty"`
}
