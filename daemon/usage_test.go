package daemon

import (
	"sync"
	"testing"
	"time"

	"pipedai/internal/hostdir"
)

// Those who look all the time never wait for a measurement, and what they are
// told is never older than it says.
func TestMeter_measuresBehindTheBackOfThoseWhoAsk(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, times := time.Now(), 0
	gate := make(chan struct{}, 10)
	m := newMeter(func() map[int]usage {
		<-gate
		mu.Lock()
		defer mu.Unlock()
		times++
		return map[int]usage{1: {memory: int64(times)}}
	})
	m.now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	pass := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	look := func(want int64) {
		t.Helper()
		if got := m.look()[1].memory; got != want {
			t.Errorf("told measurement %d, want %d", got, want)
		}
	}
	gate <- struct{}{}
	look(1) // the first waits
	pass(usageFor)
	look(1)
	pass(time.Second)
	for range 100 {
		look(1) // one of them has it measured, and none waits: the gate is shut
	}
	gate <- struct{}{}
	until(t, "the second measurement", func() bool { return m.look()[1].memory == 2 })
	if len(gate) != 0 || times != 2 {
		t.Errorf("measured %d times", times)
	}
	pass(usageAtMost + time.Second)
	gate <- struct{}{}
	look(3) // nobody asked for so long that this one waits
	m.close()
	pass(usageFor + time.Second)
	look(3) // and nothing begins any more
}

// A list and a single worker tell the same.
func TestUsage_ofAWorkerByItself(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	d := startDaemon(t, testOptions(newHome(t, p.URL, "w1")))
	d.pid(t, "w1")
	until(t, "its memory is known", func() bool {
		detail, err := d.Worker(t.Context(), "w1")
		if err != nil {
			t.Fatal(err)
		}
		local := detail.Worker.Local
		return local.MemoryBytes != nil && *local.MemoryBytes > 0 && local.CPUSeconds != nil
	})
}

func TestHostFacts_tellTheMachine(t *testing.T) {
	t.Parallel()
	dir, err := hostdir.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := hostFacts(t.Context(), dir.Home())
	if f.CPUs < 1 || f.MemoryBytes <= 0 || f.MemoryFreeBytes <= 0 || f.MemoryFreeBytes > f.MemoryBytes ||
		f.DiskBytes <= 0 || f.DiskFreeBytes < 0 || f.DiskFreeBytes > f.DiskBytes || f.Load1 != nil && *f.Load1 < 0 {
		t.Errorf("%+v", f)
	}
	if none := hostFacts(t.Context(), dir.Home()+"/not/there"); none.DiskBytes != 0 || none.CPUs != f.CPUs {
		t.Errorf("a disk that is not there: %+v", none)
	}
}
