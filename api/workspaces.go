package api

// Workspace groups hosts and their operators. The engine has one queue for all
// of them.
type Workspace struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	AuthMode      string `json:"authMode"`      // how its workers pay for models: "api_key" or "claude_max"
	EnvironmentID string `json:"environmentId"` // where hosts go that are not told another one
	Default       bool   `json:"default"`       // its admins manage all workspaces
	CreatedAt     Time   `json:"createdAt"`
}

// Workspaces answers GET /api/v1/workspaces, by name.
type Workspaces struct {
	Items []Workspace `json:"items"`
}

// CreateWorkspaceRequest is POST /api/v1/workspaces.
type CreateWorkspaceRequest struct {
	Name     string `json:"name" validate:"required,max=255"`
	AuthMode string `json:"authMode,omitempty" validate:"omitempty,oneof=api_key claude_max"` // "api_key"
}

// ChangeWorkspaceRequest is PATCH /api/v1/workspaces/{ws}. What is absent stays
// as it was.
type ChangeWorkspaceRequest struct {
	Name     string `json:"name,omitempty" validate:"max=255"`
	AuthMode string `json:"authMode,omitempty" validate:"omitempty,oneof=api_key claude_max"`
}

// Environment is a part of a workspace, such as staging.
type Environment struct {
	ID        string `json:"id"`
	Workspace string `json:"workspaceId"`
	Name      string `json:"name"`
	CreatedAt Time   `json:"createdAt"`
}

// Environments answers GET /api/v1/workspaces/{ws}/environments, oldest first.
type Environments struct {
	Items []Environment `json:"items"`
}

// CreateEnvironmentRequest is POST /api/v1/workspaces/{ws}/environments.
type CreateEnvironmentRequest struct {
	Name string `json:"name" validate:"required,max=255"`
}

// PoolWorkers answers GET /api/v1/pool-workers, where a row has only what tells
// its state, and GET /api/v1/admin/pool-workers.
type PoolWorkers struct {
	Items []RemoteWorker `json:"items"`
}
