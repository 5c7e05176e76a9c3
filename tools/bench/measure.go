package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// measure is a whole run: the limits and then every scenario, as often as
// asked, and the report at the end.
func measure(ctx context.Context, o options, out, progress io.Writer) error {
	for _, p := range []struct {
		program string
		needed  bool
	}{{o.program, o.measuresAny(both...)}, {o.daemon, o.measuresAny(onHost)}} {
		if _, err := exec.LookPath(p.program); p.needed && err != nil {
			return fmt.Errorf("%s is missing; build it with: make build", p.program)
		}
	}
	watch := startWatch()
	g, err := newGround(ctx, o, progress)
	if err != nil {
		return err
	}
	defer g.close()
	r := &report{options: o, started: time.Now()}
	for round := range o.repeat {
		say := func(format string, args ...any) {
			fmt.Fprintf(progress, "[%s %d/%d] %s\n", time.Since(r.started).Round(time.Second), round+1, o.repeat, fmt.Sprintf(format, args...))
		}
		found := limits{}
		if o.measuresAny(both...) {
			say("limits of this machine")
			if found, err = g.measureLimits(ctx); err != nil {
				return err
			}
			r.addLimits(found)
		}
		for _, s := range scenarios() {
			for _, store := range columns {
				if !o.measures(s, store) {
					continue
				}
				say("%s on %s", s.name, store)
				m := &measuring{g: g, o: o, store: store, limits: found,
					add:  func(n sample) { r.add(store, n) },
					note: func(format string, args ...any) { r.note(s.name+" on "+store+": "+format, args...) },
				}
				if err := s.run(ctx, m); err != nil {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					// One figure that cannot be had must not cost the others.
					r.failed(fmt.Errorf("%s on %s: %w", s.name, store, err))
					say("%v", err)
				}
			}
		}
	}
	r.disturbed = watch.end()
	if g.pg != nil {
		r.server = g.pg.Version()
	}
	r.print(out)
	if err := r.write(o.out); err != nil {
		return err
	}
	if len(r.failures) > 0 {
		return fmt.Errorf("not measured: %s", strings.Join(r.failures, "; "))
	}
	return nil
}

// watch notices what else the machine does.
type watch struct {
	speed float64
	load  float64
	times machineTimes
	known bool
}

func startWatch() *watch {
	w := &watch{speed: calibrate()}
	var err1, err2 error
	w.load, err1 = load()
	w.times, err2 = readMachineTimes()
	w.known = err1 == nil && err2 == nil
	return w
}

// end returns what makes the figures doubtful, one sentence each.
func (w *watch) end() []string {
	out := []string{}
	if w.known && w.load > 0.5 {
		out = append(out, fmt.Sprintf("other programs were running at the start: load average %.2f", w.load))
	}
	if now, err := readMachineTimes(); err == nil && w.known {
		if share := (now.stolen - w.times.stolen) / max(1, now.total-w.times.total); share > 0.01 {
			out = append(out, fmt.Sprintf("the host took %.1f %% of the processor time for others (steal)", 100*share))
		}
	}
	if after := calibrate(); after < 0.9*w.speed || after > 1.1*w.speed {
		out = append(out, fmt.Sprintf("a fixed piece of work ran %.0f times a second before and %.0f after", w.speed, after))
	}
	return out
}

// hostname is left out of reports: figures are compared by processor.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
