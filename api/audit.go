package api

// AuditLine is one line of the audit log: who did what to the control plane,
// or was kept from it.
type AuditLine struct {
	Seq       int64  `json:"seq"`
	At        Time   `json:"at"`
	Actor     string `json:"actor"`           // the name of a token or of a host; empty: a caller that proved to be nobody
	Kind      string `json:"kind"`            // of the actor's credential: "pwk", "hos", "wkt", "local", ...; empty: none
	Role      string `json:"role,omitempty"`  // of a pwk token
	Token     string `json:"token,omitempty"` // the id of the credential
	Action    string `json:"action"`          // "noun.verb"
	Object    string `json:"object,omitempty"`
	Workspace string `json:"workspaceId,omitempty"`
	Address   string `json:"address"`
	Outcome   string `json:"outcome"`        // "ok", "refused" or "failed"
	Code      string `json:"code,omitempty"` // of the error, unless ok
	RequestID string `json:"requestId"`
	Detail    string `json:"detail,omitempty"`
}

// AuditLines answers GET /api/v1/audit.
type AuditLines struct {
	Items []AuditLine `json:"items"`
	// NextCursor goes on with the next page as ?cursor=. Null: there is no more,
	// except where lines are read as they come, which ends nowhere.
	NextCursor *string `json:"nextCursor"`
}
