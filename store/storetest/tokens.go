package storetest

import (
	"strings"
	"time"

	"pipedai/store"
)

var tokenCases = []testCase{
	{name: "a token's life", run: operatorTokens},
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

	list, err := f.OperatorTokens(f.ctx)
	f.must(err)
	if len(list) != 3 {
		f.Errorf("listed %+v, want the three of operators", list)
	}
	_, err = f.RevokeToken(f.ctx, "tok_none")
	f.wantErr(err, store.ErrNotFound)
	gone, err := f.RevokeToken(f.ctx, mine.ID())
	f.must(err)
	if gone.Name != "mine" || gone.RevokedAt.IsZero() {
		f.Errorf("revoked %+v", gone)
	}
	again, err := f.RevokeToken(f.ctx, mine.ID())
	f.must(err)
	if !again.RevokedAt.Equal(gone.RevokedAt) {
		f.Errorf("revoked twice: %v, then %v", gone.RevokedAt, again.RevokedAt)
	}
	_, err = f.TokenByHash(f.ctx, mine.Hash)
	f.wantErr(err, store.ErrNotFound)
	inUse(false)
}
