package api

// What operators do with hosts, under /api/v1 with an operator's token. The
// workspace is the token's own.

// Enrollment is one pairing or pre-issued code as an operator sees it. It
// never holds a secret.
type Enrollment struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"` // "device" or "code"
	UserCode  string `json:"userCode,omitempty"`
	Status    string `json:"status"` // "pending", "approved", "denied", "redeemed", "revoked" or "expired"
	Label     string `json:"label,omitempty"`
	Hostname  string `json:"hostname,omitempty"`
	OS        string `json:"os,omitempty"`
	Address   string `json:"address,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	// What its program says of itself and the machine, as far as it does.
	Version   string `json:"version,omitempty"` // of pipedai-orchestrator
	OSVersion string `json:"osVersion,omitempty"`
	Arch      string `json:"arch,omitempty"`
	CreatedAt Time   `json:"createdAt"`
	ExpiresAt Time   `json:"expiresAt"`
	DecidedAt Time   `json:"decidedAt"`
	DecidedBy string `json:"decidedBy,omitempty"`
	WorkerID  string `json:"workerId,omitempty"`
	Workspace string `json:"workspaceId"`
	// Environment is where the host goes; empty: the first one of the workspace.
	Environment string `json:"environmentId,omitempty"`
}

// Enrollments answers GET /api/v1/enrollments.
type Enrollments struct {
	Items []Enrollment `json:"items"`
}

// ApproveRequest is the body, which may be left out, of POST
// /api/v1/enrollments/{id}/approve.
type ApproveRequest struct {
	Workspace   string `json:"workspaceId,omitempty" validate:"max=255"`   // where the host joins; the approver's own
	Environment string `json:"environmentId,omitempty" validate:"max=255"` // of it; its first one
}

// IssueCodeRequest is POST /api/v1/enrollments/codes.
type IssueCodeRequest struct {
	Label        string `json:"label,omitempty" validate:"max=255"`
	ExpiresInSec int64  `json:"expiresInSec,omitempty" validate:"gte=0,lte=31536000"` // 0: 24 hours
	Workspace    string `json:"workspaceId,omitempty" validate:"max=255"`             // where the host joins; the caller's own
	Environment  string `json:"environmentId,omitempty" validate:"max=255"`           // of it; its first one
}

// IssuedCode answers it; the code is shown this once.
type IssuedCode struct {
	Enrollment
	Code string `json:"code"`
}

// Session answers GET /api/v1/session: who the caller's token says it is.
type Session struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Role      string `json:"role"`
	Workspace string `json:"workspaceId"`
	Address   string `json:"address"` // where the request came from, as the server sees it
	Version   string `json:"version"` // of the server
	Build     string `json:"build"`   // changes with every build; pages reload on it
}
