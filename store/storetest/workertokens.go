package storetest

import (
	"time"

	"pipedai/store"
)

var workerTokenCases = []testCase{
	{name: "a worker's token is replaced without a gap", run: rotatesWorkerToken},
	{name: "a replaced token lives as long as the runs in hand", run: keepsReplacedToken},
	{name: "a worker is asked to replace its token", run: asksForRotation},
}

// enrolled is a worker with the token "old".
func (f *fixture) enrolled() store.Worker {
	f.Helper()
	ws, err := f.DefaultWorkspace(f.ctx)
	f.must(err)
	e, err := f.CreateEnrollment(f.ctx, store.Enrollment{
		Workspace: ws.ID, Kind: "code", SecretHash: "code", ExpiresAt: time.Now().Add(time.Hour),
	})
	f.must(err)
	w, err := f.RedeemEnrollment(f.ctx, store.RedeemEnrollment{
		Enrollment: e.ID, Hostname: "box", OS: "linux", Version: "1", WorkerTokenHash: "old", OperatorTokenHash: "host",
	})
	f.must(err)
	return w
}

func (f *fixture) rotate(old, fresh string) error {
	f.Helper()
	_, err := f.RotateWorkerToken(f.ctx, store.RotateWorkerToken{Old: old, New: fresh, LastFour: "abcd"})
	return err
}

// token looks a token up as a server does, and so uses it.
func (f *fixture) token(hash string) store.Token {
	f.Helper()
	k, err := f.TokenByHash(f.ctx, hash)
	f.must(err)
	return k
}

func rotatesWorkerToken(f *fixture) {
	w := f.enrolled()
	f.must(f.rotate("old", "lost")) // its answer never arrived
	if k := f.token("old"); !k.ExpiresAt.IsZero() {
		f.Errorf("the old one expires at %v though nothing has taken its place", k.ExpiresAt)
	}
	f.must(f.rotate("old", "new"))
	_, err := f.TokenByHash(f.ctx, "lost")
	f.wantErr(err, store.ErrNotFound)
	if k := f.token("old"); !k.ExpiresAt.IsZero() {
		f.Errorf("the old one expires at %v before the new one is used", k.ExpiresAt)
	}
	before := time.Now()
	if k := f.token("new"); k.Worker != w.ID || k.Kind != "wkt" || k.Workspace != w.Workspace || k.LastFour != "abcd" {
		f.Errorf("got %+v", k)
	}
	// The store's clock may differ from ours by a little.
	if left := f.token("old").ExpiresAt.Sub(before); left < store.RotationGrace-10*time.Second || left > store.RotationGrace+10*time.Second {
		f.Errorf("the old one goes on for %v, want %v", left, store.RotationGrace)
	}
	f.wantErr(f.rotate("old", "thief"), store.ErrConflict)
	f.wantErr(f.rotate("none", "x"), store.ErrNotFound)
	f.wantErr(f.rotate("host", "x"), store.ErrNotFound)
	f.must(f.rotate("new", "newer"))
	f.token("newer")
	if k := f.token("new"); k.ExpiresAt.IsZero() {
		f.Error("the second replacement ended nothing")
	}
	f.must(f.DeleteWorker(f.ctx, w.ID))
	for _, hash := range []string{"old", "new", "newer"} {
		_, err := f.TokenByHash(f.ctx, hash)
		f.wantErr(err, store.ErrNotFound)
	}
}

func keepsReplacedToken(f *fixture) {
	w := f.enrolled()
	long := task("long")
	long.Timeout = 2 * time.Hour
	f.registerAs("svc", "1.0.0", long)
	f.enqueue("long")
	got, err := f.ClaimTasks(f.ctx, store.ClaimTasks{Owner: string(w.ID), Limit: 1, Accepted: true})
	f.must(err)
	if len(got) != 1 {
		f.Fatalf("claimed %d", len(got))
	}
	f.must(f.rotate("old", "new"))
	f.token("new")
	if left := time.Until(f.token("old").ExpiresAt); left < 110*time.Minute || left > 130*time.Minute {
		f.Errorf("the old one goes on for %v, want about the two hours that the run may take", left)
	}
}

func asksForRotation(f *fixture) {
	w := f.enrolled()
	if f.token("old").Rotate {
		f.Error("asked before anybody did")
	}
	f.must(f.AskRotation(f.ctx, w.ID))
	if !f.token("old").Rotate {
		f.Error("not asked")
	}
	f.must(f.rotate("old", "new"))
	if f.token("new").Rotate {
		f.Error("the new one is to be replaced too")
	}
	f.wantErr(f.AskRotation(f.ctx, "wrk_none"), store.ErrNotFound)
}
