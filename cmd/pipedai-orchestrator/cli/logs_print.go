package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"pipedai/api"
	"pipedai/internal/cliutil"
	"pipedai/internal/workerlog"
)

// logPrinter prints lines of some workers.
type logPrinter struct {
	d       *deps
	o       logsOptions
	targets []api.FusedWorker
}

// add takes a worker in, once.
func (p *logPrinter) add(w api.FusedWorker) {
	if !p.has(w.ID) {
		p.targets = append(p.targets, w)
	}
}

func (p *logPrinter) has(id string) bool {
	return slices.ContainsFunc(p.targets, func(w api.FusedWorker) bool { return w.ID == id })
}

// jsonLine is a line of `logs --json`.
type jsonLine struct {
	Worker string `json:"worker"`
	api.LogLine
}

// The colours that tell workers apart; all are readable on light and dark.
var workerColours = [...]int{36, 33, 32, 35, 34, 31}

func (p *logPrinter) line(id string, l api.LogLine) {
	if p.o.json {
		p.d.printJSON(jsonLine{id, l})
		return
	}
	text := l.Line
	if !p.o.raw || p.d.streams.OutTTY {
		text = cliutil.Printable(text)
	}
	at := ""
	if l.TS != 0 {
		at = api.At(time.UnixMilli(l.TS)).String() + " "
	}
	p.d.printf("%s%s%s %s\n", p.prefix(id), at, l.Stream, text)
}

// prefix names the worker where there are several.
func (p *logPrinter) prefix(id string) string {
	if len(p.targets) < 2 && len(p.o.names) == 1 {
		return ""
	}
	width, name, number := 0, id, 0
	for i, w := range p.targets {
		label := cmp.Or(w.Label, w.ID)
		width = max(width, min(len(label), 24))
		if w.ID == id {
			name, number = label, i
		}
	}
	name = fmt.Sprintf("%-*s | ", width, cliutil.Printable(name))
	if p.d.streams.OutTTY && p.d.streams.Getenv("NO_COLOR") == "" {
		return fmt.Sprintf("\x1b[%dm%s\x1b[0m", workerColours[number%len(workerColours)], name)
	}
	return name
}

// history prints what there is, in the order of time, and notes in newer (when
// not nil) the position up to which each worker's log was looked at.
func (p *logPrinter) history(ctx context.Context, from logSource, q workerlog.Query, newer map[string]int64) error {
	var readers []*logReader
	for _, w := range p.targets {
		r := &logReader{from: from, id: w.ID, q: q}
		// All of a time; otherwise the newest, which is one page.
		if r.forward = !p.o.tailSet && (!q.Since.IsZero() || !q.Until.IsZero()); r.forward {
			first := int64(-1)
			r.q.After, r.q.Limit = &first, logsPage
		} else {
			r.q.Limit = p.o.tail
		}
		if err := r.fill(ctx); err != nil {
			return err
		}
		readers = append(readers, r)
	}
	for {
		var next *logReader
		for _, r := range readers {
			if len(r.lines) > 0 && (next == nil || r.lines[0].TS < next.lines[0].TS) {
				next = r
			}
		}
		if next == nil {
			break
		}
		p.line(next.id, next.lines[0])
		if err := next.pop(ctx); err != nil {
			return err
		}
	}
	for _, r := range readers {
		if newer != nil {
			newer[r.id] = r.newer
		}
	}
	return nil
}

// logReader reads one worker's log page by page.
type logReader struct {
	from    logSource
	id      string
	q       workerlog.Query
	forward bool
	lines   []api.LogLine
	newer   int64
	ended   bool
}

func (r *logReader) pop(ctx context.Context) error {
	if r.lines = r.lines[1:]; len(r.lines) > 0 || r.ended {
		return nil
	}
	return r.fill(ctx)
}

// fill asks for lines until there are some, or no more.
func (r *logReader) fill(ctx context.Context) error {
	for len(r.lines) == 0 && !r.ended {
		page, err := r.from.page(ctx, r.id, r.q)
		if err != nil {
			return err
		}
		r.lines, r.newer = page.Items, page.Newer
		switch {
		case r.forward:
			r.ended = !page.More
			r.q.After = &page.Newer
		case page.Partial && len(page.Items) < r.q.Limit: // a search that takes long
			rest := *r
			rest.q.Before, rest.q.Limit = &page.Older, r.q.Limit-len(page.Items)
			rest.lines = nil
			if err := rest.fill(ctx); err != nil {
				return err
			}
			r.lines, r.ended = append(rest.lines, page.Items...), true
		default:
			r.ended = true
		}
	}
	return nil
}
