package controlplane

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"pipedai/api"
	"pipedai/internal/httpkit"
	"pipedai/store"
)

// managesAll reports whether the caller is an admin of the default workspace,
// who manages every workspace and the pool.
func managesAll(id identity) bool {
	return id.kind == kindOperator && id.role == roleAdmin && id.workspace == store.MainWorkspace
}

// ofDefault refuses callers of any workspace but the default one what concerns
// all of them.
func ofDefault(ctx context.Context) error {
	if caller(ctx).workspace != store.MainWorkspace {
		return errForbidden
	}
	return nil
}

// mayUse refuses a token of one workspace in another, wherever the other one
// was named.
func mayUse(ctx context.Context, ws store.WorkspaceID) error {
	if id := caller(ctx); ws != id.workspace && (ws == store.PoolWorkspace || !managesAll(id)) {
		return errForbidden
	}
	return nil
}

// pathWorkspace is the workspace that the path names, if the caller may use it.
func (s *Server) pathWorkspace(ctx context.Context) (store.WorkspaceID, error) {
	return s.namedWorkspace(ctx, pathValue(ctx, "ws"))
}

// namedWorkspace is the workspace that a request names, or the caller's own.
func (s *Server) namedWorkspace(ctx context.Context, name string) (store.WorkspaceID, error) {
	ws, own := store.WorkspaceID(name), caller(ctx).workspace
	if ws == "" || ws == own {
		return own, nil
	}
	if err := mayUse(ctx, ws); err != nil {
		return "", err
	}
	_, err := s.st.Workspace(ctx, ws)
	return ws, missing(err, "Workspace", "workspaceId", name)
}

// environmentOf checks that an environment is one of a workspace; none is fine.
func (s *Server) environmentOf(ctx context.Context, ws store.WorkspaceID, id string) (store.EnvironmentID, error) {
	if id == "" {
		return "", nil
	}
	all, err := s.st.Environments(ctx, ws)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(all, func(e store.Environment) bool { return string(e.ID) == id }) {
		return "", &api.Error{
			Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "Environment not found", Extra: map[string]any{"environmentId": id},
		}
	}
	return store.EnvironmentID(id), nil
}

// workspaces answers GET /api/v1/workspaces: all of them to admins of the
// default one, their own to everybody else.
func (s *Server) workspaces(ctx context.Context, _ none) (api.Workspaces, error) {
	all, err := s.st.Workspaces(ctx)
	if err != nil {
		return api.Workspaces{}, err
	}
	out := api.Workspaces{Items: []api.Workspace{}}
	for _, ws := range all {
		if mayUse(ctx, ws.ID) == nil {
			out.Items = append(out.Items, wireWorkspace(ws))
		}
	}
	return out, nil
}

// createWorkspace answers POST /api/v1/workspaces.
func (s *Server) createWorkspace(ctx context.Context, req api.CreateWorkspaceRequest) (api.Workspace, error) {
	if !managesAll(caller(ctx)) {
		return api.Workspace{}, errForbidden
	}
	made, err := s.st.CreateWorkspace(ctx, store.Workspace{Name: req.Name, AuthMode: req.AuthMode})
	if err != nil {
		return api.Workspace{}, nameTaken(err)
	}
	recordOf(ctx).on(string(made.ID)).in(made.ID).detail("%s, %s", made.Name, made.AuthMode)
	httpkit.SetStatus(ctx, http.StatusCreated)
	return wireWorkspace(made), nil
}

// changeWorkspace answers PATCH /api/v1/workspaces/{ws}.
func (s *Server) changeWorkspace(ctx context.Context, req api.ChangeWorkspaceRequest) (api.Workspace, error) {
	ws, err := s.pathWorkspace(ctx)
	if err != nil {
		return api.Workspace{}, err
	}
	changed, err := s.st.ChangeWorkspace(ctx, store.ChangeWorkspace{ID: ws, Name: req.Name, AuthMode: req.AuthMode})
	if err != nil {
		return api.Workspace{}, nameTaken(err)
	}
	recordOf(ctx).on(string(ws)).detail("%s, %s", changed.Name, changed.AuthMode)
	return wireWorkspace(changed), nil
}

// environments answers GET /api/v1/workspaces/{ws}/environments.
func (s *Server) environments(ctx context.Context, _ none) (api.Environments, error) {
	ws, err := s.pathWorkspace(ctx)
	if err != nil {
		return api.Environments{}, err
	}
	all, err := s.st.Environments(ctx, ws)
	if err != nil {
		return api.Environments{}, err
	}
	out := api.Environments{Items: make([]api.Environment, 0, len(all))}
	for _, e := range all {
		out.Items = append(out.Items, wireEnvironment(e))
	}
	return out, nil
}

// createEnvironment answers POST /api/v1/workspaces/{ws}/environments.
func (s *Server) createEnvironment(ctx context.Context, req api.CreateEnvironmentRequest) (api.Environment, error) {
	ws, err := s.pathWorkspace(ctx)
	if err != nil {
		return api.Environment{}, err
	}
	made, err := s.st.CreateEnvironment(ctx, store.Environment{Workspace: ws, Name: req.Name})
	if err != nil {
		return api.Environment{}, nameTaken(err)
	}
	recordOf(ctx).on(string(made.ID)).detail("%s", made.Name)
	httpkit.SetStatus(ctx, http.StatusCreated)
	return wireEnvironment(made), nil
}

func nameTaken(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: "The name is taken"}
	}
	return err
}

func wireWorkspace(w store.Workspace) api.Workspace {
	return api.Workspace{
		ID: string(w.ID), Name: w.Name, AuthMode: w.AuthMode, EnvironmentID: string(w.Environment),
		Default: w.ID == store.MainWorkspace, CreatedAt: api.At(w.CreatedAt),
	}
}

func wireEnvironment(e store.Environment) api.Environment {
	return api.Environment{ID: string(e.ID), Workspace: string(e.Workspace), Name: e.Name, CreatedAt: api.At(e.CreatedAt)}
}
