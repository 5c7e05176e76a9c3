// Package lines reads files of lines in blocks, forwards and backwards, from
// any offset, without holding more of them than a block and a line.
package lines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrTime says that the context ended before everything was looked at.
var ErrTime = errors.New("not all was looked at in time")

// Block is how many bytes are read at a time.
const Block = 256 << 10

var newline = []byte{'\n'}

// File is a file of lines: Size bytes that can be read from anywhere.
type File struct {
	R    io.ReaderAt
	Size int64
	// Rest gives a last line without an end, too. It is left out otherwise,
	// because it is still being written.
	Rest bool
}

// Forward gives the lines that begin at offset from or behind it, without
// their ends, until each returns false (it reports done then) or ctx ends
// (ErrTime). What each is given is good until it returns.
func (f File) Forward(ctx context.Context, from int64, each func(raw []byte, at int64) bool) (done bool, err error) {
	buf := make([]byte, Block)
	offset := max(0, from)
	inside := offset > 0
	if inside { // perhaps within a line: that one begins before
		offset--
	}
	held := 0
	for offset < f.Size {
		if ctx.Err() != nil {
			return false, ErrTime
		}
		if held == len(buf) {
			longer := make([]byte, 2*len(buf))
			copy(longer, buf)
			buf = longer
		}
		n, err := f.R.ReadAt(buf[held:held+int(min(int64(len(buf)-held), f.Size-offset))], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("read lines: %w", err)
		}
		if n == 0 {
			break // cut back meanwhile
		}
		at := offset - int64(held)
		offset += int64(n)
		data := buf[:held+n]
		for {
			line, rest, whole := bytes.Cut(data, newline)
			if !whole {
				break
			}
			if inside {
				inside = false
			} else if !each(line, at) {
				return true, nil
			}
			at += int64(len(line)) + 1
			data = rest
		}
		held = copy(buf, data)
	}
	if f.Rest && held > 0 && !inside && !each(buf[:held], offset-int64(held)) {
		return true, nil
	}
	return false, nil
}

// Backward gives the lines that begin before offset end, the last one first,
// otherwise as Forward.
func (f File) Backward(ctx context.Context, end int64, each func(raw []byte, at int64) bool) (done bool, err error) {
	// The line that begins last before end may reach beyond it: its end is
	// looked for first.
	offset, whole, err := f.lineEnd(ctx, min(end, f.Size))
	if err != nil {
		return false, err
	}
	buf := make([]byte, Block)
	held := 0 // bytes at the end of buf: the beginning is still to be read
	for offset > 0 {
		if ctx.Err() != nil {
			return false, ErrTime
		}
		if held == len(buf) {
			buf = append(make([]byte, len(buf)), buf...)
		}
		size := int(min(int64(len(buf)-held), offset))
		offset -= int64(size)
		start := len(buf) - held - size
		if _, err := f.R.ReadAt(buf[start:start+size], offset); err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("read lines: %w", err)
		}
		data := buf[start:]
		for {
			i := bytes.LastIndexByte(data, '\n')
			if i < 0 {
				break
			}
			if at := offset + int64(i) + 1; whole && at < end && !each(data[i+1:], at) {
				return true, nil
			}
			whole, data = true, data[:i]
		}
		if offset == 0 {
			return whole && end > 0 && !each(data, 0), nil
		}
		held = copy(buf[len(buf)-len(data):], data)
	}
	return false, nil
}

// lineEnd returns the offset behind the first line end at or behind offset-1.
// whole: there is none, and what stands before the end of the file is a line
// all the same.
func (f File) lineEnd(ctx context.Context, offset int64) (end int64, whole bool, err error) {
	buf := make([]byte, 16<<10)
	for at := max(0, offset-1); at < f.Size; {
		if ctx.Err() != nil {
			return 0, false, ErrTime
		}
		n, err := f.R.ReadAt(buf[:min(int64(len(buf)), f.Size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false, fmt.Errorf("read lines: %w", err)
		}
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return at + int64(i) + 1, false, nil
		}
		if n == 0 {
			break
		}
		at += int64(n)
	}
	return f.Size, f.Rest, nil
}
