package workerlog

import (
	"context"
	"time"

	"pipedai/internal/lines"
)

// scan gives the whole lines that begin at position from or behind it, until
// each returns false or ctx ends (lines.ErrTime). Files that skip refuses are
// left out. A last line without its end is still being written and is left out.
func (fs *Files) scan(ctx context.Context, from int64, skip func(changed time.Time) bool, each func(raw []byte, pos int64) bool) error {
	for _, p := range fs.parts {
		if from >= p.base+p.size || skip(p.changed) {
			continue
		}
		done, err := p.lines().Forward(ctx, from-p.base, func(raw []byte, at int64) bool { return each(raw, p.base+at) })
		if done || err != nil {
			return err
		}
	}
	return nil
}

// scanBack gives the whole lines that begin before position end, the newest
// first, otherwise as scan.
func (fs *Files) scanBack(ctx context.Context, end int64, skip func(changed time.Time) bool, each func(raw []byte, pos int64) bool) error {
	for i := len(fs.parts) - 1; i >= 0; i-- {
		p := fs.parts[i]
		if end <= p.base || skip(p.changed) {
			continue
		}
		done, err := p.lines().Backward(ctx, end-p.base, func(raw []byte, at int64) bool { return each(raw, p.base+at) })
		if done || err != nil {
			return err
		}
	}
	return nil
}

func (p part) lines() lines.File { return lines.File{R: p.f, Size: p.size} }
