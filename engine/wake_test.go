package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pipedai/pipeline"
	"pipedai/store"
)

func woken(p *puller) bool {
	select {
	case <-p.wake:
		return true
	default:
		return false
	}
}

func TestWakes_work(t *testing.T) {
	t.Parallel()
	w := newWakes()
	pdf, leavePDF := w.wait([]pipeline.ServiceID{"pdf"})
	defer leavePDF()
	both, leaveBoth := w.wait([]pipeline.ServiceID{"mail", "pdf"})
	defer leaveBoth()
	mail, leaveMail := w.wait([]pipeline.ServiceID{"mail"})
	defer leaveMail()

	w.work("pdf", "other")
	if !woken(pdf) || !woken(both) || woken(mail) {
		t.Error("work for pdf must wake those who offer it, and only those")
	}
	w.work()
	if !woken(pdf) || !woken(both) || !woken(mail) {
		t.Error("work of an unknown service must wake everybody")
	}
	select {
	case <-w.claimer:
	default:
		t.Error("the claimer sleeps")
	}
	leaveMail()
	w.work("mail")
	if woken(mail) {
		t.Error("one that left is woken")
	}
}

// A freed slot may be for anybody, but idle pullers are not asked for each.
func TestWakes_slot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWakes()
		p, leave := w.wait([]pipeline.ServiceID{"pdf"})
		defer leave()
		w.slot(time.Now())
		if !woken(p) {
			t.Fatal("the first freed slot wakes at once")
		}
		for range 1000 {
			w.slot(time.Now())
		}
		if woken(p) {
			t.Fatal("woken again at once")
		}
		time.Sleep(broadEvery) // the bubble's clock
		synctest.Wait()
		if !woken(p) {
			t.Fatal("the last freed slot is forgotten")
		}
		w.slot(time.Now())
		w.stop()
		time.Sleep(2 * broadEvery)
		synctest.Wait()
		if woken(p) {
			t.Error("woken after the stop")
		}
	})
}

func TestSignal_isRemembered(t *testing.T) {
	t.Parallel()
	s := newSignal()
	s.set()
	s.set()
	<-s
	select {
	case <-s:
		t.Error("two signals before a wait are one wake-up")
	default:
	}
}

// shared is a store that several engines use, each with a view of its own.
type shared struct {
	store.Store
	mu      *sync.Mutex
	wakers  *[]func()
	notices *atomic.Int32
}

func (s shared) Info() store.Info { return store.Info{Name: "shared", Shared: true} }

func (s shared) Listen(ctx context.Context, wake func()) error {
	s.mu.Lock()
	*s.wakers = append(*s.wakers, wake)
	s.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (s shared) Notify(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices.Add(1)
	for _, wake := range *s.wakers {
		wake()
	}
	return nil
}

func TestNotify(t *testing.T) {
	t.Parallel()
	inBubble(t, "another replica hears of work", func(t *testing.T) {
		base := newFixture(t, Options{})
		st := shared{Store: base.Store(), mu: &sync.Mutex{}, wakers: &[]func(){}, notices: new(atomic.Int32)}
		one := newFixtureOver(t, st, Options{})
		two := newFixtureOver(t, st, Options{})
		one.register(edges{"a": nil}, func(r *store.Register) { r.Service.BaseURL = "" })
		// The worker pulls from two; the run is triggered on one.
		one.run()
		two.run()
		time.Sleep(time.Second) // what they told each other at the start is over
		watched, events, cancel := two.Changes().Subscribe(0)
		defer cancel()
		answer := make(chan int, 1)
		began := time.Now()
		go func() {
			runs, err := two.Claim(t.Context(), pull(time.Hour))
			if err != nil {
				t.Error(err)
			}
			answer <- len(runs)
		}()
		synctest.Wait()
		one.trigger()
		if got := <-answer; got != 1 {
			t.Errorf("got %d runs", got)
		}
		if waited := time.Since(began); waited > 2*notifyEvery {
			t.Errorf("the other replica heard of it after %s", waited)
		}
		if event := <-events; event.Type != "run" || event.Seq <= watched[0].Seq {
			t.Errorf("who watches the other replica hears %+v", event)
		}

		// Many triggers are few notices.
		synctest.Wait()
		before := st.notices.Load()
		for range 200 {
			one.trigger()
		}
		time.Sleep(time.Second)
		if sent := st.notices.Load() - before; sent > 10 {
			t.Errorf("sent %d notices for 200 triggers at once", sent)
		}
	})
}
