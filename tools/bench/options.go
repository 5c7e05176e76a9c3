package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are what a run measures, and how long.
type options struct {
	only        []string // names of scenarios; empty: all
	stores      []string
	repeat      int
	window      time.Duration // how long a rate is measured
	quick       bool
	out         string // JSON
	program     string // pipeweave
	daemon      string // pipedai-orchestrator
	dir         string // scratch
	concurrency int    // --max-concurrency for pushing
	senders     int    // connections the push service reports over
	claim       int    // runs per claim of the pull worker
	claimers    int    // loops of the pull worker
	history     int    // finished rows
	keep        bool   // server logs on standard error
}

func parseOptions(args []string, errOut io.Writer) (options, error) {
	o := options{}
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(errOut)
	only := set.String("only", "", "scenarios to run, separated by commas: "+strings.Join(scenarioNames(), ",")+"; host: all of the daemon")
	stores := set.String("store", "postgres,sqlite", "stores to measure on")
	set.IntVar(&o.repeat, "repeat", 0, "how often; the table shows the median (3, with -quick 1)")
	set.DurationVar(&o.window, "window", 0, "how long a rate is measured (10s, with -quick 3s)")
	set.BoolVar(&o.quick, "quick", false, "a short look: once, smaller amounts")
	set.StringVar(&o.out, "o", ".run/bench.json", "file for the figures as JSON")
	set.StringVar(&o.program, "pipeweave", "bin/pipeweave", "the engine to measure")
	set.StringVar(&o.daemon, "daemon", "bin/pipedai-orchestrator", "the daemon to measure")
	set.StringVar(&o.dir, "dir", "", "folder for scratch files (default: the system's)")
	set.IntVar(&o.concurrency, "concurrency", 256, "--max-concurrency of the engine where it pushes")
	set.IntVar(&o.senders, "senders", 64, "connections over which the push service reports")
	set.IntVar(&o.claim, "claim", 500, "runs per claim of the pull worker")
	set.IntVar(&o.claimers, "claimers", 3, "claims the pull worker has under way")
	set.IntVar(&o.history, "history", 0, "finished rows for the claim cost (2000000, with -quick 200000)")
	set.BoolVar(&o.keep, "logs", false, "show what the measured programs log")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	for _, name := range split(*only) {
		if name == onHost {
			for _, s := range hostScenarios() {
				o.only = append(o.only, s.name)
			}
			continue
		}
		if !slices.Contains(scenarioNames(), name) {
			return o, fmt.Errorf("no scenario is called %q; there are %s", name, strings.Join(scenarioNames(), ", "))
		}
		o.only = append(o.only, name)
	}
	for _, name := range split(*stores) {
		if name != postgres && name != sqlite {
			return o, fmt.Errorf("no store is called %q; there are %s and %s", name, postgres, sqlite)
		}
		o.stores = append(o.stores, name)
	}
	defaults := options{repeat: 3, window: 10 * time.Second, history: 2_000_000}
	if o.quick {
		defaults = options{repeat: 1, window: 3 * time.Second, history: 200_000}
	}
	if o.repeat <= 0 {
		o.repeat = defaults.repeat
	}
	if o.window <= 0 {
		o.window = defaults.window
	}
	if o.history <= 0 {
		o.history = defaults.history
	}
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// wants reports whether a scenario was asked for.
func (o options) wants(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

// measures reports whether a scenario was asked for on a store.
func (o options) measures(s scenario, store string) bool {
	return o.wants(s.name) && slices.Contains(s.stores, store) && (store == onHost || slices.Contains(o.stores, store))
}

// measuresAny reports whether any scenario was asked for on one of the stores.
func (o options) measuresAny(stores ...string) bool {
	for _, s := range scenarios() {
		for _, store := range stores {
			if o.measures(s, store) {
				return true
			}
		}
	}
	return false
}

// amount scales an amount to how long rates are measured.
func (o options) amount(full int) int { return max(1, int(float64(full)*o.window.Seconds()/10)) }
