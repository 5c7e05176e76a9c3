package sqlite

import (
	"context"

	"pipedai/pipeline"
	"pipedai/store"
)

const workspaceQuery = `select w.id, w.name, w.auth_mode, w.created_at,
	coalesce((select e.id from environments e where e.workspace_id = w.id order by e.created_at, e.id limit 1), '') from workspaces w `

func scanWorkspace(row scanner, w *store.Workspace) error {
	return row.Scan(&w.ID, &w.Name, &w.AuthMode, timeCol{&w.CreatedAt}, &w.Environment)
}

// DefaultWorkspace reads the one the migrations made.
func (s *Store) DefaultWorkspace(ctx context.Context) (store.Workspace, error) {
	return s.Workspace(ctx, store.MainWorkspace)
}

// Workspaces lists them by name.
func (s *Store) Workspaces(ctx context.Context) ([]store.Workspace, error) {
	return all(ctx, s, "list workspaces", scanWorkspace, workspaceQuery+`where w.id <> ?1 order by w.name, w.id`, store.PoolWorkspace)
}

// Workspace reads one.
func (s *Store) Workspace(ctx context.Context, id store.WorkspaceID) (store.Workspace, error) {
	return one(ctx, s, "read workspace", scanWorkspace, workspaceQuery+`where w.id = ?1`, id)
}

// CreateWorkspace stores one with its first environment.
func (s *Store) CreateWorkspace(ctx context.Context, w store.Workspace) (store.Workspace, error) {
	if w.ID == "" {
		w.ID = store.WorkspaceID("ws_" + pipeline.Random(16))
	}
	if w.AuthMode == "" {
		w.AuthMode = store.AuthAPIKey
	}
	if w.Environment == "" {
		w.Environment = store.EnvironmentID("env_" + pipeline.Random(16))
	}
	err := s.write(ctx, "create workspace", func(t *tx) error {
		if w.CreatedAt.IsZero() {
			w.CreatedAt = t.now
		}
		n, err := t.exec(`insert into workspaces (id, name, auth_mode, created_at) values (?1, ?2, ?3, ?4) on conflict do nothing`,
			w.ID, w.Name, w.AuthMode, us(w.CreatedAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrConflict
		}
		_, err = t.exec(`insert into environments (id, workspace_id, name, created_at) values (?1, ?2, 'default', ?3)`,
			w.Environment, w.ID, us(w.CreatedAt))
		return err
	})
	if err != nil {
		return store.Workspace{}, err
	}
	return s.Workspace(ctx, w.ID)
}

// ChangeWorkspace changes what is named.
func (s *Store) ChangeWorkspace(ctx context.Context, p store.ChangeWorkspace) (store.Workspace, error) {
	err := s.write(ctx, "change workspace", func(t *tx) error {
		var known, taken bool
		if err := t.row(`select exists (select 1 from workspaces where id = ?1 and id <> ?3),
			exists (select 1 from workspaces where name = ?2 and id <> ?1)`,
			[]any{p.ID, p.Name, store.PoolWorkspace}, &known, &taken); err != nil {
			return err
		}
		switch {
		case !known:
			return store.ErrNotFound
		case taken:
			return store.ErrConflict
		}
		_, err := t.exec(`update workspaces set name = coalesce(?2, name), auth_mode = coalesce(?3, auth_mode) where id = ?1`,
			p.ID, text(p.Name), text(p.AuthMode))
		return err
	})
	if err != nil {
		return store.Workspace{}, err
	}
	return s.Workspace(ctx, p.ID)
}

const environmentCols = `id, workspace_id, name, created_at`

func scanEnvironment(row scanner, e *store.Environment) error {
	return row.Scan(&e.ID, &e.Workspace, &e.Name, timeCol{&e.CreatedAt})
}

// Environments lists those of a workspace.
func (s *Store) Environments(ctx context.Context, id store.WorkspaceID) ([]store.Environment, error) {
	return all(ctx, s, "list environments", scanEnvironment,
		`select `+environmentCols+` from environments where workspace_id = ?1 order by created_at, id`, id)
}

// CreateEnvironment stores one.
func (s *Store) CreateEnvironment(ctx context.Context, e store.Environment) (store.Environment, error) {
	if e.ID == "" {
		e.ID = store.EnvironmentID("env_" + pipeline.Random(16))
	}
	err := s.write(ctx, "create environment", func(t *tx) error {
		if e.CreatedAt.IsZero() {
			e.CreatedAt = t.now
		}
		var known bool
		if err := t.row(`select exists (select 1 from workspaces where id = ?1 and id <> ?2)`,
			[]any{e.Workspace, store.PoolWorkspace}, &known); err != nil {
			return err
		}
		if !known {
			return store.ErrNotFound
		}
		n, err := t.exec(`insert into environments (`+environmentCols+`) values (?1, ?2, ?3, ?4) on conflict do nothing`,
			e.ID, e.Workspace, e.Name, us(e.CreatedAt))
		if err == nil && n == 0 {
			err = store.ErrConflict
		}
		return err
	})
	if err != nil {
		return store.Environment{}, err
	}
	return one(ctx, s, "read environment", scanEnvironment, `select `+environmentCols+` from environments where id = ?1`, e.ID)
}
