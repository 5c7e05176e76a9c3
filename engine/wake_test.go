package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"pipedai/pipeline"
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
