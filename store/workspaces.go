package store

import (
	"context"
	"time"
)

// The workspaces that exist from the first migration on.
const (
	// MainWorkspace is the default one; its admins manage all of them.
	MainWorkspace WorkspaceID = "ws_default"
	// PoolWorkspace holds the workers of the shared pool. It is in no list, and
	// only tokens that read the pool belong to it.
	PoolWorkspace WorkspaceID = "ws_pool"
)

// The ways in which the workers of a workspace pay for models.
const (
	AuthAPIKey    = "api_key"
	AuthClaudeMax = "claude_max"
)

// Workspaces keeps who owns which hosts. The engine knows nothing of them.
type Workspaces interface {
	// DefaultWorkspace returns MainWorkspace.
	DefaultWorkspace(ctx context.Context) (Workspace, error)
	// Workspaces lists them by name, without the pool.
	Workspaces(ctx context.Context) ([]Workspace, error)
	Workspace(ctx context.Context, id WorkspaceID) (Workspace, error)
	// CreateWorkspace stores one with an environment called "default";
	// ErrConflict when the name is taken.
	CreateWorkspace(ctx context.Context, w Workspace) (Workspace, error)
	// ChangeWorkspace gives one another name, another auth mode, or both;
	// ErrConflict when the name is taken.
	ChangeWorkspace(ctx context.Context, p ChangeWorkspace) (Workspace, error)
	// Environments lists those of a workspace, oldest first.
	Environments(ctx context.Context, id WorkspaceID) ([]Environment, error)
	// CreateEnvironment stores one; ErrConflict when its workspace has one of that
	// name, ErrNotFound when there is no such workspace.
	CreateEnvironment(ctx context.Context, e Environment) (Environment, error)
}

// Workspace groups workers and their operators.
type Workspace struct {
	ID          WorkspaceID
	Name        string
	AuthMode    string        // AuthAPIKey or AuthClaudeMax
	Environment EnvironmentID // the first one
	CreatedAt   time.Time
}

// ChangeWorkspace names what becomes different; empty is as it was.
type ChangeWorkspace struct {
	ID             WorkspaceID
	Name, AuthMode string
}

// Environment is a part of a workspace, such as staging.
type Environment struct {
	ID        EnvironmentID
	Workspace WorkspaceID
	Name      string
	CreatedAt time.Time
}
