package daemon

import (
	"fmt"
	"testing"

	"pipedai/api"
)

// What is kept is bounded, oldest first, and forgotten with its worker.
func TestUsageLog_keepsTheNewest(t *testing.T) {
	t.Parallel()
	var l usageLog
	all := func(string) bool { return true }
	for n := range usageKept + 5 {
		l.add(map[string]api.UsageSample{"w2": {TS: int64(n)}, "w1": {TS: int64(n)}}, all)
	}
	got := l.read(3)
	if len(got) != 2 || got[0].WorkerID != "w1" || fmt.Sprint(len(got[0].Samples), got[0].Samples[2].TS) != fmt.Sprint(3, usageKept+4) {
		t.Errorf("%+v", got)
	}
	if every := l.read(10 * usageKept); len(every[0].Samples) != usageKept || every[0].Samples[0].TS != 5 {
		t.Errorf("%d samples from %d on", len(every[0].Samples), every[0].Samples[0].TS)
	}
	l.add(nil, func(id string) bool { return id == "w2" })
	if left := l.read(1); len(left) != 1 || left[0].WorkerID != "w2" {
		t.Errorf("%+v", left)
	}
}

// Whoever opens the dashboard of a daemon that has been up for a moment sees a
// curve, without having waited for it.
func TestUsage_isThereBeforeAnybodyLooks(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "w1")
	d := startDaemon(t, testOptions(newHome(t, p.URL, "w1")))
	pid := d.pid(t, "w1")
	until(t, "a sample", func() bool {
		got, err := d.Usage(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(got.Items) == 1 && got.Items[0].Samples[0].PID == pid && got.Items[0].Samples[0].MemoryBytes > 0
	})
}
