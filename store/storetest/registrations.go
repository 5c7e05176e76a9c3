package storetest

import (
	"fmt"
	"sync"
	"time"

	"pipedai/store"
)

func (f *fixture) mint(secret, host string, lasts time.Duration) store.Registration {
	f.Helper()
	ws, err := f.DefaultWorkspace(f.ctx)
	f.must(err)
	r, err := f.CreateRegistration(f.ctx, store.Registration{
		Workspace: ws.ID, SecretHash: secret, Host: host, Label: "minted", MintedBy: "ann", ExpiresAt: time.Now().Add(lasts),
	})
	f.must(err)
	return r
}

func (f *fixture) admit(r store.Registration, hostname, token string) (store.Worker, error) {
	return f.RegisterWorker(f.ctx, store.RegisterWorker{
		Registration: r.ID, Hostname: hostname, OS: "linux", Version: "1.0.0", WorkerTokenHash: token,
	})
}

func registration(f *fixture) {
	r := f.mint("s1", "", time.Minute)
	if r.ID == "" || r.CreatedAt.IsZero() {
		f.Errorf("registration %+v", r)
	}
	_, err := f.CreateRegistration(f.ctx, store.Registration{Workspace: r.Workspace, SecretHash: "s1", ExpiresAt: r.ExpiresAt})
	f.wantErr(err, store.ErrConflict)
	_, err = f.RegistrationBySecret(f.ctx, "none")
	f.wantErr(err, store.ErrNotFound)

	w, err := f.admit(r, "h1", "t1")
	f.must(err)
	if w.Hostname != "h1" || w.Label != "minted" || w.Host != "" || w.KeptBy() != "h1" || w.Workspace != r.Workspace {
		f.Errorf("worker %+v", w)
	}
	got, err := f.RegistrationBySecret(f.ctx, "s1")
	f.must(err)
	if got.UsedAt.IsZero() || got.Worker != w.ID || got.MintedBy != "ann" {
		f.Errorf("used %+v", got)
	}
	_, err = f.admit(r, "h2", "t2")
	f.wantErr(err, store.ErrConflict)
	_, err = f.admit(f.mint("s2", "", -time.Second), "h2", "t2")
	f.wantErr(err, store.ErrConflict)

	// The same hostname is the same worker, with a new token.
	again, err := f.admit(f.mint("s3", "", time.Minute), "h1", "t3")
	f.must(err)
	if again.ID != w.ID {
		f.Errorf("the same host became %+v", again)
	}
	_, err = f.TokenByHash(f.ctx, "t1")
	f.wantErr(err, store.ErrNotFound)
	token, err := f.TokenByHash(f.ctx, "t3")
	f.must(err)
	if token.Kind != "wkt" || token.Worker != w.ID {
		f.Errorf("token %+v", token)
	}

	// Those that are long expired make room.
	f.mint("ancient", "", -48*time.Hour)
	f.mint("s4", "", time.Minute)
	_, err = f.RegistrationBySecret(f.ctx, "ancient")
	f.wantErr(err, store.ErrNotFound)
}

func registeredOnce(f *fixture) {
	r := f.mint("s1", "", time.Minute)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 4 {
		wg.Go(func() {
			_, err := f.admit(r, fmt.Sprintf("h%d", i), fmt.Sprintf("t%d", i))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		f.Errorf("used %d times", won)
	}
}

func hostRegisters(f *fixture) {
	e := f.enroll("code", "c1")
	own, err := f.redeem(e, "box")
	f.must(err)
	other, err := f.redeem(f.enroll("code", "c2"), "other-box")
	f.must(err)

	second, err := f.admit(f.mint("s1", "box", time.Minute), "box-pdf", "t1")
	f.must(err)
	if second.Host != "box" || second.KeptBy() != "box" {
		f.Errorf("worker %+v", second)
	}
	// Nothing of another host is taken over, and the token is still good.
	r := f.mint("s2", "box", time.Minute)
	_, err = f.admit(r, "other-box", "t2")
	f.wantErr(err, store.ErrHostTaken)
	if w, err := f.Worker(f.ctx, other.ID); err != nil || w.Version != "1.0.0" || w.Host != "" {
		f.Errorf("the other host's worker is %+v, %v", w, err)
	}
	for _, hostname := range []string{"box", "box-pdf"} { // its own may be registered anew
		if hostname == "box-pdf" {
			r = f.mint("s3", "box", time.Minute)
		}
		f.must1(f.admit(r, hostname, "again-"+hostname))
	}

	// The host's credential outlives the worker it came with.
	f.must(f.DeleteWorker(f.ctx, own.ID))
	token, err := f.TokenByHash(f.ctx, "hos-"+string(e.ID))
	f.must(err)
	if token.Worker != second.ID {
		f.Errorf("the host's token is bound to %s, want %s", token.Worker, second.ID)
	}
	f.must(f.DeleteWorker(f.ctx, second.ID))
	_, err = f.TokenByHash(f.ctx, "hos-"+string(e.ID))
	f.wantErr(err, store.ErrNotFound)
}
