package storetest

import (
	"time"

	"pipedai/store"
)

var workspaceCases = []testCase{
	{name: "the default one and the pool", run: firstWorkspaces},
	{name: "a workspace's life", run: workspaceLife},
	{name: "a pairing goes where it is approved", run: approvedInto},
}

func firstWorkspaces(f *fixture) {
	all, err := f.Workspaces(f.ctx)
	f.must(err)
	if len(all) != 1 || all[0].ID != store.MainWorkspace || all[0].AuthMode != store.AuthAPIKey || all[0].CreatedAt.IsZero() {
		f.Errorf("at first there are %+v", all)
	}
	envs, err := f.Environments(f.ctx, store.MainWorkspace)
	f.must(err)
	if len(envs) != 1 || envs[0].ID != all[0].Environment || envs[0].CreatedAt.IsZero() {
		f.Errorf("its environments are %+v", envs)
	}
	_, err = f.CreateEnvironment(f.ctx, store.Environment{Workspace: store.PoolWorkspace, Name: "x"})
	f.wantErr(err, store.ErrNotFound)
	_, err = f.ChangeWorkspace(f.ctx, store.ChangeWorkspace{ID: store.PoolWorkspace, Name: "x"})
	f.wantErr(err, store.ErrNotFound)
}

func workspaceLife(f *fixture) {
	team, err := f.CreateWorkspace(f.ctx, store.Workspace{Name: "team", AuthMode: store.AuthClaudeMax})
	f.must(err)
	if team.ID == "" || team.Environment == "" || team.AuthMode != store.AuthClaudeMax || team.CreatedAt.IsZero() {
		f.Errorf("created %+v", team)
	}
	_, err = f.CreateWorkspace(f.ctx, store.Workspace{Name: "team"})
	f.wantErr(err, store.ErrConflict)
	_, err = f.ChangeWorkspace(f.ctx, store.ChangeWorkspace{ID: team.ID, Name: "default"})
	f.wantErr(err, store.ErrConflict)
	_, err = f.ChangeWorkspace(f.ctx, store.ChangeWorkspace{ID: "ws_none", Name: "x"})
	f.wantErr(err, store.ErrNotFound)
	got, err := f.ChangeWorkspace(f.ctx, store.ChangeWorkspace{ID: team.ID, Name: "crew"})
	f.must(err)
	if got.Name != "crew" || got.AuthMode != store.AuthClaudeMax {
		f.Errorf("renamed %+v", got)
	}
	got, err = f.ChangeWorkspace(f.ctx, store.ChangeWorkspace{ID: team.ID, AuthMode: store.AuthAPIKey})
	f.must(err)
	if got.Name != "crew" || got.AuthMode != store.AuthAPIKey {
		f.Errorf("changed %+v", got)
	}
	staging, err := f.CreateEnvironment(f.ctx, store.Environment{Workspace: team.ID, Name: "staging"})
	f.must(err)
	_, err = f.CreateEnvironment(f.ctx, store.Environment{Workspace: team.ID, Name: "staging"})
	f.wantErr(err, store.ErrConflict)
	_, err = f.CreateEnvironment(f.ctx, store.Environment{Workspace: "ws_none", Name: "x"})
	f.wantErr(err, store.ErrNotFound)
	envs, err := f.Environments(f.ctx, team.ID)
	f.must(err)
	if len(envs) != 2 || envs[0].ID != team.Environment || envs[1] != staging {
		f.Errorf("environments %+v", envs)
	}
	all, err := f.Workspaces(f.ctx)
	f.must(err)
	if len(all) != 2 || all[0].Name != "crew" || all[1].Name != "default" {
		f.Errorf("workspaces %+v", all)
	}
}

func approvedInto(f *fixture) {
	team, err := f.CreateWorkspace(f.ctx, store.Workspace{Name: "team"})
	f.must(err)
	staging, err := f.CreateEnvironment(f.ctx, store.Environment{Workspace: team.ID, Name: "staging"})
	f.must(err)
	e := f.enroll("device", "s1")
	got, err := f.DecideEnrollment(f.ctx, store.DecideEnrollment{ID: e.ID, Approve: true, By: "ann", Workspace: team.ID, Environment: staging.ID})
	f.must(err)
	if got.Workspace != team.ID || got.Environment != staging.ID {
		f.Errorf("approved %+v", got)
	}
	w, err := f.redeem(e, "h")
	f.must(err)
	if w.Workspace != team.ID {
		f.Errorf("the worker is of %q", w.Workspace)
	}
	code, err := f.CreateEnrollment(f.ctx, store.Enrollment{
		Workspace: team.ID, Environment: staging.ID, Kind: "code", SecretHash: "s2", Status: "approved", ExpiresAt: time.Now().Add(time.Hour),
	})
	f.must(err)
	if code.Environment != staging.ID {
		f.Errorf("issued %+v", code)
	}
}
