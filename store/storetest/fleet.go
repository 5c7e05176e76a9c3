package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipedai/store"
)

// hostOf is the host of a name in the default workspace.
func (f *fixture) hostOf(name string) store.Host {
	f.Helper()
	ws, err := f.DefaultWorkspace(f.ctx)
	f.must(err)
	all, err := f.Hosts(f.ctx, ws.ID)
	f.must(err)
	for _, h := range all {
		if h.Name == name {
			return h
		}
	}
	f.Fatalf("no host %s among %+v", name, all)
	return store.Host{}
}

func hostRow(f *fixture) {
	w, err := f.redeem(f.enroll("code", "c1"), "box")
	f.must(err)
	h := f.hostOf("box")
	if h.ID == "" || h.Workspace != w.Workspace || h.OS != "linux" || h.Label != "my host" || h.RegisteredAt.IsZero() || !h.LastSeenAt.IsZero() {
		f.Errorf("after it joined %+v", h)
	}
	second, err := f.admit(f.mint("s1", "box", time.Minute), "box-pdf", "t1")
	f.must(err)
	got, err := f.CheckInHost(f.ctx, store.CheckInHost{
		Worker: second.ID, OS: "linux", Arch: "arm64", OSVersion: "13", Version: "1.2.0", Capabilities: []string{"a", "b"}, Skew: -90 * time.Second,
	})
	f.must(err)
	if got.ID != h.ID || got.Label != "my host" || got.Arch != "arm64" || got.Version != "1.2.0" || got.Skew != -90*time.Second || got.LastSeenAt.IsZero() ||
		!slices.Equal(got.Capabilities, []string{"a", "b"}) {
		f.Errorf("after it checked in %+v", got)
	}
	got, err = f.CheckInHost(f.ctx, store.CheckInHost{Worker: w.ID, Label: "new label"})
	f.must(err)
	if got.ID != h.ID || got.Label != "new label" || got.Arch != "arm64" || got.OSVersion != "13" || got.Skew != 0 || len(got.Capabilities) != 0 {
		f.Errorf("after it checked in with less %+v", got)
	}
	if read, err := f.Host(f.ctx, h.ID); err != nil || cmp.Diff(got.Host, read) != "" {
		f.Errorf("read %+v, %v", read, err)
	}
	noted, err := f.NoteHost(f.ctx, h.ID, "under the desk")
	f.must(err)
	if noted.Note != "under the desk" {
		f.Errorf("noted %+v", noted)
	}
	news, err := f.HostNews(f.ctx, []store.HostID{h.ID, "host_none"})
	f.must(err)
	if len(news) != 1 || news[h.ID] != h.News {
		f.Errorf("news %v after %d", news, h.News)
	}

	// A worker that nobody's daemon keeps has no host until one checks in for it.
	lone, err := f.admit(f.mint("s2", "", time.Minute), "lone", "t2")
	f.must(err)
	if all, _ := f.Hosts(f.ctx, w.Workspace); len(all) != 1 {
		f.Errorf("hosts %+v", all)
	}
	f.must1(f.CheckInHost(f.ctx, store.CheckInHost{Worker: lone.ID}))
	f.hostOf("lone")
	f.must(f.DeleteWorker(f.ctx, lone.ID))
	_, err = f.CheckInHost(f.ctx, store.CheckInHost{Worker: lone.ID})
	f.wantErr(err, store.ErrNotFound)
	_, err = f.Host(f.ctx, "host_none")
	f.wantErr(err, store.ErrNotFound)
	_, err = f.NoteHost(f.ctx, "host_none", "x")
	f.wantErr(err, store.ErrNotFound)
}

func holds(f *fixture) {
	w, err := f.redeem(f.enroll("code", "c1"), "box")
	f.must(err)
	do := func(disabled bool, by string, want ...string) store.Worker {
		f.Helper()
		got, err := f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: w.ID, Disabled: disabled, By: by, Who: "ann", Note: "because " + by})
		f.must(err)
		var names []string
		for _, h := range got.Holds {
			names = append(names, h.By)
			if h.Who != "ann" || h.Note != "because "+h.By || h.Since.IsZero() || !h.Until.IsZero() {
				f.Errorf("hold %+v", h)
			}
		}
		if got.Disabled != (len(want) > 0) || !slices.Equal(names, want) {
			f.Errorf("disabled %v by %q, want %q", got.Disabled, names, want)
		}
		if read, err := f.Worker(f.ctx, w.ID); err != nil || cmp.Diff(got, read) != "" {
			f.Errorf("read %+v, %v", read, err)
		}
		return got
	}
	do(true, "op_1", "op_1")
	do(true, "op_1", "op_1")
	do(true, "", "op_1", "") // an operator, while the operation lasts
	do(false, "op_2", "op_1", "")
	do(false, "op_1", "") // lifts its own alone
	do(false, "op_1", "")
	do(true, "op_3", "", "op_3")
	do(false, "") // a person's word lifts all

	// One that ends by itself.
	got, err := f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: w.ID, Disabled: true, Until: time.Now().Add(time.Hour)})
	f.must(err)
	if !got.Disabled || time.Until(got.Holds[0].Until) < 50*time.Minute {
		f.Errorf("for an hour %+v", got)
	}
	got, err = f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: w.ID, Disabled: true, Until: time.Now().Add(-time.Second)})
	f.must(err)
	if got.Disabled {
		f.Errorf("its time is over %+v", got)
	}
	beat, err := f.TouchWorker(f.ctx, store.WorkerBeat{Worker: w.ID})
	f.must(err)
	if beat.Disabled {
		f.Errorf("its time is over, %+v", beat)
	}

	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: w.ID, Disabled: i%2 == 0, By: "op"})
			if err != nil {
				f.Errorf("at once: %v", err)
			}
		})
	}
	wg.Wait()
}

func hostPaused(f *fixture) {
	w, err := f.redeem(f.enroll("code", "c1"), "box")
	f.must(err)
	f.must1(f.admit(f.mint("s1", "box", time.Minute), "box-a", "t1"))
	other, err := f.redeem(f.enroll("code", "c2"), "other")
	f.must(err)
	f.must1(f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: w.ID, Disabled: true, By: "op_1"}))
	h := f.hostOf("box")
	workers, err := f.SwitchHost(f.ctx, h.ID, store.SwitchWorker{Disabled: true, By: store.HoldHost, Who: "ann", Note: "new disk"})
	f.must(err)
	if len(workers) != 2 || workers[0].Hostname != "box" || len(workers[0].Holds) != 2 || !workers[1].Disabled || workers[1].Holds[0].Note != "new disk" {
		f.Errorf("paused %+v", workers)
	}
	late, err := f.admit(f.mint("s2", "box", time.Minute), "box-b", "t2")
	f.must(err)
	if late, err = f.Worker(f.ctx, late.ID); err != nil || !late.Disabled || late.Holds[0].Note != "new disk" {
		f.Errorf("a worker that joined a paused host: %+v, %v", late, err)
	}
	held, err := f.HeldWorkers(f.ctx, []store.WorkerID{w.ID, other.ID, "wrk_none"})
	f.must(err)
	if !slices.Equal(held, []store.WorkerID{w.ID}) {
		f.Errorf("held are %q", held)
	}
	if got, err := f.Worker(f.ctx, other.ID); err != nil || got.Disabled {
		f.Errorf("the other host's worker %+v, %v", got, err)
	}
	workers, err = f.SwitchHost(f.ctx, h.ID, store.SwitchWorker{By: store.HoldHost})
	f.must(err)
	if len(workers) != 3 || !workers[0].Disabled || workers[1].Disabled || workers[2].Disabled {
		f.Errorf("resumed %+v", workers)
	}
	_, err = f.SwitchHost(f.ctx, "host_none", store.SwitchWorker{Disabled: true})
	f.wantErr(err, store.ErrNotFound)
}

func hostRevoked(f *fixture) {
	e := f.enroll("code", "c1")
	w, err := f.redeem(e, "host-1")
	f.must(err)
	f.must1(f.admit(f.mint("s1", "host-1", time.Minute), "host-1-a", "t1"))
	minted := f.mint("s2", "host-1", time.Minute)
	pending := f.enroll("device", "d1") // of the same name
	f.must1(f.DecideEnrollment(f.ctx, store.DecideEnrollment{ID: pending.ID, Approve: true, By: "ann"}))
	code := f.enroll("code", "c9") // of nobody yet
	otherE := f.enroll("code", "c2")
	f.must1(f.redeem(otherE, "other"))

	h := f.hostOf("host-1")
	got, err := f.RevokeHost(f.ctx, h.ID, "ann")
	f.must(err)
	if got.RevokedAt.IsZero() || got.RevokedBy != "ann" || got.News <= h.News {
		f.Errorf("revoked %+v", got)
	}
	void := []string{"hos-" + string(e.ID), "wkt-" + string(e.ID), "t1"}
	for _, hash := range void {
		_, err := f.TokenByHash(f.ctx, hash)
		f.wantErr(err, store.ErrNotFound)
		if yes, err := f.TokenRevoked(f.ctx, hash); err != nil || !yes {
			f.Errorf("%s is not known as revoked, %v", hash, err)
		}
	}
	f.must1(f.TokenByHash(f.ctx, "hos-"+string(otherE.ID)))
	if yes, err := f.TokenRevoked(f.ctx, "nobody's"); err != nil || yes {
		f.Errorf("an unknown token is revoked: %v, %v", yes, err)
	}
	_, err = f.admit(minted, "host-1-b", "t2")
	f.wantErr(err, store.ErrConflict)
	_, err = f.redeem(pending, "host-1")
	f.wantErr(err, store.ErrConflict)
	_, err = f.CheckInHost(f.ctx, store.CheckInHost{Worker: w.ID})
	f.wantErr(err, store.ErrNotFound)
	again, err := f.RevokeHost(f.ctx, h.ID, "bob")
	f.must(err)
	if again.RevokedBy != "ann" || !again.RevokedAt.Equal(got.RevokedAt) {
		f.Errorf("revoked again %+v", again)
	}
	_, err = f.RevokeHost(f.ctx, "host_none", "ann")
	f.wantErr(err, store.ErrNotFound)

	// A person lets it in again: the same host, and the same worker.
	back, err := f.redeem(code, "host-1")
	f.must(err)
	if now := f.hostOf("host-1"); back.ID != w.ID || now.ID != h.ID || !now.RevokedAt.IsZero() || now.RevokedBy != "" {
		f.Errorf("back as %+v of %+v", back, now)
	}
	f.must1(f.CheckInHost(f.ctx, store.CheckInHost{Worker: back.ID}))
}

// revokedMeanwhile: no credential that is made while the host is revoked
// outlives that.
func revokedMeanwhile(f *fixture) {
	for i := range 12 {
		name := fmt.Sprintf("box-%d", i)
		e := f.enroll("code", name)
		f.must1(f.redeem(e, name))
		minted := f.mint("m-"+name, name, time.Minute)
		h := f.hostOf(name)
		var wg sync.WaitGroup
		for _, do := range []func() error{
			func() error { _, err := f.RevokeHost(f.ctx, h.ID, "ann"); return err },
			func() error { _, err := f.admit(minted, name+"-a", "t-"+name); return err },
			func() error {
				_, err := f.RotateWorkerToken(f.ctx, store.RotateWorkerToken{Old: "wkt-" + string(e.ID), New: "new-" + name})
				return err
			},
		} {
			wg.Go(func() {
				if err := do(); err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
					f.Error(err)
				}
			})
		}
		wg.Wait()
		for _, hash := range []string{"wkt-" + string(e.ID), "hos-" + string(e.ID), "new-" + name, "t-" + name} {
			if _, err := f.TokenByHash(f.ctx, hash); !errors.Is(err, store.ErrNotFound) {
				f.Errorf("%s is good after its host was revoked: %v", hash, err)
			}
		}
	}
}

// keptByAnother: a machine that joins is its own, whoever registered a worker
// under its name before.
func keptByAnother(f *fixture) {
	e := f.enroll("code", "c1")
	keeper, err := f.redeem(e, "box")
	f.must(err)
	squatted, err := f.admit(f.mint("s1", "box", time.Minute), "other", "t1")
	f.must(err)
	f.must(f.DeleteWorker(f.ctx, keeper.ID)) // the credential of box goes to what it kept
	joined, err := f.redeem(f.enroll("code", "c2"), "other")
	f.must(err)
	if joined.ID != squatted.ID || joined.KeptBy() != "other" {
		f.Errorf("it joined as %+v", joined)
	}
	f.hostOf("other")
	for _, hash := range []string{"t1", "hos-" + string(e.ID)} {
		if _, err := f.TokenByHash(f.ctx, hash); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("%s is still good: %v", hash, err)
		}
	}
}

func holdsAreFew(f *fixture) {
	w, err := f.redeem(f.enroll("code", "c1"), "box")
	f.must(err)
	hold := func(by string, until time.Time) error {
		_, err := f.SwitchWorker(f.ctx, store.SwitchWorker{Worker: w.ID, Disabled: true, By: by, Until: until})
		return err
	}
	for i := range store.MostHolds {
		f.must(hold(fmt.Sprint("past_", i), time.Now().Add(-time.Hour)))
	}
	for i := range store.MostHolds {
		f.must(hold(fmt.Sprint("op_", i), time.Time{}))
	}
	f.wantErr(hold("one too many", time.Time{}), store.ErrConflict)
	f.must(hold("op_3", time.Now().Add(time.Hour)))
}

func enrollmentRevoked(f *fixture) {
	for _, kind := range []string{"code", "device"} {
		e := f.enroll(kind, "r-"+kind)
		if kind == "device" {
			f.must1(f.DecideEnrollment(f.ctx, store.DecideEnrollment{ID: e.ID, Approve: true, By: "ann"}))
		}
		for range 2 {
			got, err := f.RevokeEnrollment(f.ctx, e.ID, "bob")
			f.must(err)
			if got.Status != "revoked" || got.DecidedBy != "bob" {
				f.Errorf("revoked %+v", got)
			}
		}
		_, err := f.redeem(e, "box")
		f.wantErr(err, store.ErrConflict)
	}
	used := f.enroll("code", "used")
	f.must1(f.redeem(used, "box"))
	got, err := f.RevokeEnrollment(f.ctx, used.ID, "bob")
	f.wantErr(err, store.ErrConflict)
	if got.Status != "redeemed" {
		f.Errorf("after that %+v", got)
	}
	_, err = f.RevokeEnrollment(f.ctx, "enrl_none", "bob")
	f.wantErr(err, store.ErrNotFound)
}
