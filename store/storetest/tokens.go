package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/store"
)

var tokenCases = []testCase{
	{name: "a token's life", run: operatorTokens},
	{name: "tokens of a workspace", run: tokensOfWorkspace},
	{name: "registrations are listed and revoked", run: registrationsListed},
}

func operatorTokens(f *fixture) {
	ws, err := f.DefaultWorkspace(f.ctx)
	f.must(err)
	inUse := func(want bool) {
		f.Helper()
		got, err := f.TokensInUse(f.ctx)
		f.must(err)
		if got != want {
			f.Errorf("tokens in use: got %v, want %v", got, want)
		}
	}
	create := func(name, kind string, expires time.Time) store.Token {
		f.Helper()
		k := store.Token{Hash: strings.Repeat(name[:1], 64), Kind: kind, Role: "operator", Name: name, Workspace: ws.ID, ExpiresAt: expires}
		f.must(f.CreateToken(f.ctx, k))
		return k
	}
	inUse(false)
	create("x expired", "pwk", time.Now().Add(-time.Minute))
	create("host", "hos", time.Time{})
	f.must(f.CreateToken(f.ctx, store.Token{Hash: "admin-hash", Kind: "pwk", Role: "admin", Name: store.BootstrapToken, Workspace: ws.ID}))
	inUse(false)
	mine := create("mine", "pwk", time.Now().Add(time.Hour))
	inUse(true)

	list, err := f.OperatorTokens(f.ctx, "")
	f.must(err)
	if len(list) != 3 {
		f.Errorf("listed %+v, want the three of operators", list)
	}
	_, err = f.RevokeToken(f.ctx, "", "tok_none")
	f.wantErr(err, store.ErrNotFound)
	gone, err := f.RevokeToken(f.ctx, "", mine.ID())
	f.must(err)
	if gone.Name != "mine" || gone.RevokedAt.IsZero() {
		f.Errorf("revoked %+v", gone)
	}
	again, err := f.RevokeToken(f.ctx, "", mine.ID())
	f.must(err)
	if !again.RevokedAt.Equal(gone.RevokedAt) {
		f.Errorf("revoked twice: %v, then %v", gone.RevokedAt, again.RevokedAt)
	}
	_, err = f.TokenByHash(f.ctx, mine.Hash)
	f.wantErr(err, store.ErrNotFound)
	inUse(false)
}

func tokensOfWorkspace(f *fixture) {
	other, err := f.CreateWorkspace(f.ctx, store.Workspace{Name: "other"})
	f.must(err)
	create := func(hash, kind string, ws store.WorkspaceID) store.Token {
		f.Helper()
		k := store.Token{Hash: hash, Kind: kind, Name: hash, Workspace: ws}
		f.must(f.CreateToken(f.ctx, k))
		return k
	}
	main, theirs := create("aaaa-main", "pwk", store.MainWorkspace), create("bbbb-other", "pwk", other.ID)
	reader := create("cccc-pool", "pop", store.PoolWorkspace)
	host := create("dddd-host", "hos", other.ID)
	names := func(ws store.WorkspaceID) []string {
		f.Helper()
		all, err := f.OperatorTokens(f.ctx, ws)
		f.must(err)
		var out []string
		for _, k := range all {
			out = append(out, k.Name)
		}
		slices.Sort(out)
		return out
	}
	for ws, want := range map[store.WorkspaceID][]string{
		"": {main.Name, theirs.Name, reader.Name}, other.ID: {theirs.Name}, store.PoolWorkspace: {reader.Name}, "ws_none": nil,
	} {
		if diff := cmp.Diff(want, names(ws)); diff != "" {
			f.Errorf("tokens of %q (-want +got):\n%s", ws, diff)
		}
	}
	_, err = f.RevokeToken(f.ctx, other.ID, main.ID())
	f.wantErr(err, store.ErrNotFound)
	_, err = f.RevokeToken(f.ctx, "", host.ID())
	f.wantErr(err, store.ErrNotFound)
	f.must1(f.RevokeToken(f.ctx, other.ID, theirs.ID()))
	valid, err := f.ValidTokens(f.ctx, []string{main.Hash, theirs.Hash, host.Hash, "none"})
	f.must(err)
	slices.Sort(valid)
	if diff := cmp.Diff([]string{main.Hash, host.Hash}, valid); diff != "" {
		f.Errorf("valid (-want +got):\n%s", diff)
	}
	if valid, err := f.ValidTokens(f.ctx, nil); err != nil || len(valid) != 0 {
		f.Errorf("of none %v, %v", valid, err)
	}
}

func registrationsListed(f *fixture) {
	mine := f.mint("s1", "", time.Minute)
	pool, err := f.CreateRegistration(f.ctx, store.Registration{Workspace: store.PoolWorkspace, SecretHash: "s2", ExpiresAt: time.Now().Add(time.Minute)})
	f.must(err)
	count := func(ws store.WorkspaceID, want int) {
		f.Helper()
		all, err := f.Registrations(f.ctx, ws)
		f.must(err)
		if len(all) != want {
			f.Errorf("registrations of %q: %+v, want %d", ws, all, want)
		}
	}
	count("", 2)
	count(store.MainWorkspace, 1)
	count(store.PoolWorkspace, 1)

	_, err = f.RevokeRegistration(f.ctx, store.MainWorkspace, pool.ID)
	f.wantErr(err, store.ErrNotFound)
	gone, err := f.RevokeRegistration(f.ctx, "", mine.ID)
	f.must(err)
	if gone.RevokedAt.IsZero() || gone.ID != mine.ID {
		f.Errorf("revoked %+v", gone)
	}
	again, err := f.RevokeRegistration(f.ctx, "", mine.ID)
	f.must(err)
	if !again.RevokedAt.Equal(gone.RevokedAt) {
		f.Errorf("revoked twice: %v, then %v", gone.RevokedAt, again.RevokedAt)
	}
	_, err = f.admit(mine, "h1", "t1")
	f.wantErr(err, store.ErrConflict)
	w, err := f.admit(pool, "h1", "t2")
	f.must(err)
	if w.Workspace != store.PoolWorkspace {
		f.Errorf("a pool worker is %+v", w)
	}
	_, err = f.RevokeRegistration(f.ctx, "", pool.ID)
	f.wantErr(err, store.ErrConflict)
}
