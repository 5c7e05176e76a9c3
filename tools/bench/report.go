package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report collects samples and makes the table and the JSON of them.
type report struct {
	options   options
	started   time.Time
	server    string
	disturbed []string
	samples   map[string][]sample // by figure and store
	limits    map[string][]float64
	notes     []string
	failures  []string
}

func key(figure, store string) string { return figure + "/" + store }

func (r *report) add(store string, s sample) {
	if r.samples == nil {
		r.samples = map[string][]sample{}
	}
	r.samples[key(s.figure, store)] = append(r.samples[key(s.figure, store)], s)
}

func (r *report) addLimits(found limits) {
	if r.limits == nil {
		r.limits = map[string][]float64{}
	}
	for name, value := range found {
		r.limits[name] = append(r.limits[name], value)
	}
}

func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *report) failed(err error) { r.failures = append(r.failures, err.Error()) }

// row is one figure on one store, over all repetitions.
type row struct {
	Figure string    `json:"figure"`
	Store  string    `json:"store"`
	Title  string    `json:"title"`
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"`
	Median float64   `json:"median"`
	// Spread is the distance of the extremes over the median.
	Spread float64 `json:"spread"`
	Limit  string  `json:"limit,omitempty"`
	// LimitMedian and Ratio are 0 where no limit was measured. Ratio is the
	// median of the ratios of each repetition.
	LimitMedian float64 `json:"limitMedian,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"`
	Target      string  `json:"target,omitempty"`
	Met         *bool   `json:"met,omitempty"`
}

func (r *report) rows() []row {
	out := []row{}
	for _, f := range figures() {
		for _, store := range columns {
			samples := r.samples[key(f.id, store)]
			if len(samples) == 0 {
				continue
			}
			w := row{Figure: f.id, Store: store, Title: f.title, Unit: f.unit}
			var limits, ratios []float64
			for _, s := range samples {
				w.Values = append(w.Values, s.value)
				if s.limit > 0 {
					limits = append(limits, s.limit)
					ratios = append(ratios, s.value/s.limit)
				}
			}
			w.Median = median(w.Values)
			if w.Median > 0 {
				w.Spread = (slices.Max(w.Values) - slices.Min(w.Values)) / w.Median
			}
			if len(limits) > 0 {
				w.Limit, w.LimitMedian, w.Ratio = f.limit, median(limits), median(ratios)
			}
			if t, judged := f.targets[store]; judged {
				met := t.met(w.Median, w.LimitMedian, w.Ratio)
				w.Target, w.Met = t.String(), &met
			}
			out = append(out, w)
		}
	}
	return out
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	mid := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[mid-1] + sorted[mid]) / 2
	}
	return sorted[mid]
}

func (r *report) print(out io.Writer) {
	const line = "%-9s %-48s %14s %8s  %-52s %6s  %-36s %s\n"
	fmt.Fprintf(out, line, "store", "figure", "median", "spread", "limit, measured beside it", "ratio", "target", "")
	for _, w := range r.rows() {
		limit, ratio, verdict := "", "", ""
		if w.Limit != "" {
			limit, ratio = number(w.LimitMedian)+" "+w.Limit, fmt.Sprintf("%.2f", w.Ratio)
		}
		if w.Met != nil {
			verdict = "missed"
			if *w.Met {
				verdict = "met"
			}
		}
		spread := ""
		if len(w.Values) > 1 {
			spread = fmt.Sprintf("%.0f %%", 100*w.Spread)
		}
		fmt.Fprintf(out, line, w.Store, w.Title, number(w.Median)+" "+w.Unit, spread, limit, ratio, w.Target, verdict)
	}
	fmt.Fprintln(out, "\nThis machine:")
	for _, name := range []string{limitPost, limitNetHTTP, limitCommits, limitClaims} {
		if values := r.limits[name]; len(values) > 0 {
			fmt.Fprintf(out, "  %12s %s\n", number(median(values)), name)
		}
	}
	for _, note := range r.notes {
		fmt.Fprintln(out, "  note:", note)
	}
	if len(r.disturbed) > 0 {
		fmt.Fprintf(out, "\nDisturbed, do not trust the figures: %s.\n", strings.Join(r.disturbed, "; "))
	}
}

// number is a figure for people: three digits that mean something.
func number(n float64) string {
	switch {
	case n >= 1000:
		text := fmt.Sprintf("%.0f", n)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	case n >= 100 || n == float64(int(n)):
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	default:
		return fmt.Sprintf("%.2f", n)
	}
}

// write stores the report as JSON.
func (r *report) write(path string) error {
	data, err := json.MarshalIndent(map[string]any{
		"startedAt": r.started.UTC(), "took": time.Since(r.started).String(),
		"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU(), "processor": processor(), "postgres": r.server,
		"window": r.options.window.String(), "repeat": r.options.repeat, "quick": r.options.quick,
		"rows": r.rows(), "limits": r.limits, "notes": r.notes, "failures": r.failures, "disturbed": r.disturbed,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
