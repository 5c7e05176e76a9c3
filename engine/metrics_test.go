package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"pipedai/pipeline"
	"pipedai/store"
)

// TestMetrics: one run with a retry, a refused dispatch and a dead letter, as
// the counters tell it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	inBubble(t, "a run", func(t *testing.T) {
		f := newFixture(t, Options{}).run()
		f.register(edges{"a": {"b"}, "b": nil})
		f.fleet.work["a"] = failing(2, store.Failure{Error: "once"})
		f.fleet.work["b"] = always(outcome{fail: &store.Failure{Error: "broken", Final: true}})
		if run := f.ended(f.trigger().ID); run.Status != pipeline.RunFailed {
			t.Fatalf("the run is %s", run.Status)
		}

		registry := prometheus.NewRegistry()
		for _, c := range f.Engine.Collectors() {
			if err := registry.Register(c); err != nil {
				t.Fatal(err)
			}
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				name := family.GetName()
				for _, label := range metric.GetLabel() {
					name += " " + label.GetValue()
				}
				value := metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
				if family.GetName() != "pipeweave_store_seconds" && value > 0 {
					got[name] = value
				}
			}
		}
		want := map[string]float64{
			"pipeweave_claims_total":                3,
			"pipeweave_dispatch_seconds accepted":   3,
			"pipeweave_retries_total":               1,
			"pipeweave_completions_total completed": 1,
			"pipeweave_completions_total failed":    1,
			"pipeweave_dead_letters_total":          1,
			"pipeweave_runs_total failed":           1,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	})
}
