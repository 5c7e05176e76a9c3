package cli

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// progressEvery is how often somebody who waits hears that there is something
// to wait for.
const progressEvery = 5 * time.Second

// progress tells on standard error which workers a verb still waits for, one
// whole line at a time: it reads the same in a terminal, a log and aloud.
type progress struct {
	d    *deps
	verb verb

	mu    sync.Mutex
	left  []string
	began time.Time

	quit  chan struct{}
	once  sync.Once
	ended sync.WaitGroup
}

func newProgress(d *deps, o verbOptions, workers []api.FusedWorker) *progress {
	p := &progress{d: d, verb: o.verb, began: time.Now(), quit: make(chan struct{})}
	for _, w := range workers {
		p.left = append(p.left, w.Label)
	}
	p.ended.Go(p.run)
	return p
}

func (p *progress) run() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-tick.C:
			p.mu.Lock()
			p.d.notef("%s: waiting for %s (%s).\n", p.verb.name, p.names(), humanDuration(time.Since(p.began)))
			p.mu.Unlock()
		}
	}
}

// names are those still waited for, a few of them by name.
func (p *progress) names() string {
	const few = 3
	text := cliutil.Printable(strings.Join(p.left[:min(few, len(p.left))], ", "))
	if more := len(p.left) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (p *progress) done(label string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.left, label); i >= 0 {
		p.left = slices.Delete(p.left, i, i+1)
	}
}

// stop ends it; it may be called more than once.
func (p *progress) stop() {
	p.once.Do(func() { close(p.quit) })
	p.ended.Wait()
}
