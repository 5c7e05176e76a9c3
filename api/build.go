package api

// BuildRequest is POST /api/workers: register a new worker and run it here.
type BuildRequest struct {
	APIURL string `json:"apiUrl" validate:"required,url,max=2048"`
	// WorkspaceID of the new worker; without one, that of a worker of this host
	// at the same control plane.
	WorkspaceID string `json:"workspaceId,omitempty" validate:"max=255"`
	// Token is a registration token (wrk_, or pool_ with Pool); without one the
	// daemon asks the control plane for one.
	Token    string `json:"token,omitempty" validate:"max=512"`
	Label    string `json:"label,omitempty" validate:"max=255"`
	Pool     bool   `json:"pool,omitempty"`
	AuthMode string `json:"authMode,omitempty" validate:"omitempty,oneof=claude-max api-key claude_max api_key"`
	// Hostname tells the workers of a host apart at the control plane; without
	// one, the host's name and the slug of the label.
	Hostname string `json:"hostname,omitempty" validate:"max=255"`
	// Tasks are the files of tasks that it offers, absolute. Added.
	Tasks []string `json:"tasks,omitempty" validate:"max=100"`
}

// BuildResult answers it: the new worker with 201, or, when the answer was not
// to wait (?async=1, Prefer: respond-async), the operation with 202.
type BuildResult struct {
	ID        string     `json:"id,omitempty"`
	Operation *Operation `json:"operation,omitempty"`
}
