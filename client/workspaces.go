package client

import (
	"context"
	"net/http"
	"net/url"

	"pipedai/api"
)

// Workspaces lists those the caller may use, by name.
func (c *Client) Workspaces(ctx context.Context) (out api.Workspaces, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/workspaces", nil, &out)
}

// CreateWorkspace makes one.
func (c *Client) CreateWorkspace(ctx context.Context, req api.CreateWorkspaceRequest) (out api.Workspace, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workspaces", req, &out)
}

// ChangeWorkspace renames one, or changes how its workers pay for models.
func (c *Client) ChangeWorkspace(ctx context.Context, id string, req api.ChangeWorkspaceRequest) (out api.Workspace, err error) {
	return out, c.call(ctx, http.MethodPatch, "/api/v1/workspaces/"+escape(id), req, &out)
}

// Environments lists those of a workspace, oldest first.
func (c *Client) Environments(ctx context.Context, workspace string) (out api.Environments, err error) {
	return out, c.call(ctx, http.MethodGet, "/api/v1/workspaces/"+escape(workspace)+"/environments", nil, &out)
}

// CreateEnvironment makes one.
func (c *Client) CreateEnvironment(ctx context.Context, workspace string, req api.CreateEnvironmentRequest) (out api.Environment, err error) {
	return out, c.call(ctx, http.MethodPost, "/api/v1/workspaces/"+escape(workspace)+"/environments", req, &out)
}

// TokensOf lists the tokens of a kind and of a workspace, newest first. Empty
// is all that the caller may see.
func (c *Client) TokensOf(ctx context.Context, kind, workspace string) (out api.Tokens, err error) {
	query := url.Values{}
	if kind != "" {
		query.Set("kind", kind)
	}
	if workspace != "" {
		query.Set("workspaceId", workspace)
	}
	return out, c.call(ctx, http.MethodGet, "/api/v1/tokens?"+query.Encode(), nil, &out)
}
