package workerlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// errTime: the context ended.
var errTime = errors.New("not all was looked at in time")

// cut splits data behind its first line end; whole is false without one.
func cut(data []byte) (line, rest []byte, whole bool) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return data[:i], data[i+1:], true
	}
	return data, nil, false
}

// scan gives the whole lines that begin at position from or behind it, until
// each returns false or ctx ends (errTime). Files that skip refuses are left
// out. A last line without its end is still being written and is left out.
func (fs *Files) scan(ctx context.Context, from int64, skip func(changed time.Time) bool, each func(raw []byte, pos int64) bool) error {
	buf := make([]byte, scanBlock)
	for _, p := range fs.parts {
		if from >= p.base+p.size || skip(p.changed) {
			continue
		}
		offset := max(0, from-p.base)
		if offset > 0 { // perhaps within a line: that one begins before
			offset--
		}
		inside := from > p.base
		held := 0
		for offset < p.size {
			if ctx.Err() != nil {
				return errTime
			}
			if held == len(buf) { // a line longer than that is none of ours
				longer := make([]byte, 2*len(buf))
				copy(longer, buf)
				buf = longer
			}
			n, err := p.f.ReadAt(buf[held:held+int(min(int64(len(buf)-held), p.size-offset))], offset)
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read worker log: %w", err)
			}
			if n == 0 {
				break // cut back meanwhile
			}
			pos := p.base + offset - int64(held)
			offset += int64(n)
			data := buf[:held+n]
			for {
				line, rest, whole := cut(data)
				if !whole {
					break
				}
				if inside {
					inside = false
				} else if !each(line, pos) {
					return nil
				}
				pos += int64(len(line)) + 1
				data = rest
			}
			held = copy(buf, data)
		}
	}
	return nil
}

// scanBack gives the whole lines that begin before position end, the newest
// first, otherwise as scan.
func (fs *Files) scanBack(ctx context.Context, end int64, skip func(changed time.Time) bool, each func(raw []byte, pos int64) bool) error {
	buf := make([]byte, scanBlock)
	for i := len(fs.parts) - 1; i >= 0; i-- {
		p := fs.parts[i]
		if end <= p.base || skip(p.changed) {
			continue
		}
		// The line that begins last before end may reach beyond it: its end is
		// looked for first.
		offset, err := p.lineEnd(ctx, min(end-p.base, p.size))
		if err != nil {
			return err
		}
		held := 0      // bytes at the end of buf: the beginning is still to be read
		whole := false // a line end was seen behind what is held
		for offset > 0 {
			if ctx.Err() != nil {
				return errTime
			}
			if held == len(buf) {
				buf = append(make([]byte, len(buf)), buf...)
			}
			size := int(min(int64(len(buf)-held), offset))
			offset -= int64(size)
			start := len(buf) - held - size
			if _, err := p.f.ReadAt(buf[start:start+size], offset); err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read worker log: %w", err)
			}
			data := buf[start:]
			for {
				i := bytes.LastIndexByte(data, '\n')
				if i < 0 {
					break
				}
				if pos := p.base + offset + int64(i) + 1; whole && pos < end && !each(data[i+1:], pos) {
					return nil
				}
				whole, data = true, data[:i]
			}
			if offset == 0 {
				if whole && p.base < end && !each(data, p.base) {
					return nil
				}
				break
			}
			held = len(data)
			copy(buf[len(buf)-held:], data)
		}
	}
	return nil
}

// lineEnd returns the offset behind the first line end at or behind offset-1.
func (p part) lineEnd(ctx context.Context, offset int64) (int64, error) {
	buf := make([]byte, 16<<10)
	for at := max(0, offset-1); at < p.size; {
		if ctx.Err() != nil {
			return 0, errTime
		}
		n, err := p.f.ReadAt(buf[:min(int64(len(buf)), p.size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read worker log: %w", err)
		}
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, nil
		}
		if n == 0 {
			break
		}
		at += int64(n)
	}
	return p.size, nil
}
