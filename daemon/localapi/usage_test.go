package localapi

import (
	"testing"

	"pipedai/api"
)

var _ Usage = (*fakeBackend)(nil)

func (b *fakeBackend) Usage(n int) api.UsageHistory {
	samples := []api.UsageSample{{TS: 1, PID: 7, MemoryBytes: 5}, {TS: 2, PID: 7, MemoryBytes: 6}}
	return api.UsageHistory{EveryMs: 30_000, Items: []api.WorkerUsage{{WorkerID: "w1", Samples: samples[max(0, len(samples)-n):]}}}
}

func TestUsage_tail(t *testing.T) {
	t.Parallel()
	f := serveTest(t)
	got, err := f.client.Usage(t.Context(), 1)
	if err != nil || len(got.Items) != 1 || len(got.Items[0].Samples) != 1 || got.Items[0].Samples[0].MemoryBytes != 6 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := f.client.Usage(t.Context(), 0); err == nil {
		t.Error("a tail of nothing was taken")
	}
}
