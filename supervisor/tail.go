package supervisor

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
)

// tailBlock is how much of a file is read at a time, from its end.
const tailBlock = 64 << 10

// tailFiles returns the newest n lines of path and its backups, oldest first.
func tailFiles(path string, backups, n int) ([]Line, error) {
	var newest []Line // newest first
	var seen []os.FileInfo
	for i := 0; i <= backups && len(newest) < n; i++ {
		name := path
		if i > 0 {
			name += "." + strconv.Itoa(i)
		}
		lines, info, err := tailFile(name, n-len(newest), seen)
		if errors.Is(err, os.ErrNotExist) {
			continue // a gap is left by hand, or by a rotation under way
		}
		if err != nil {
			return nil, err
		}
		seen = append(seen, info)
		newest = append(newest, lines...)
	}
	slices.Reverse(newest)
	return newest, nil
}

// tailFile returns the newest n lines of one file, newest first. A file that
// is among seen was rotated while we looked and gives nothing. A last line
// without its end is still being written and is left out.
func tailFile(name string, n int, seen []os.FileInfo) ([]Line, os.FileInfo, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(seen, func(other os.FileInfo) bool { return os.SameFile(info, other) }) {
		return nil, info, nil
	}
	var lines []Line
	var rest []byte // the beginning of what was read, not yet a whole line
	whole := false  // a line end was seen: what comes before it is whole
	for offset := info.Size(); offset > 0 && len(lines) < n; {
		size := min(offset, tailBlock)
		offset -= size
		block := make([]byte, size, int(size)+len(rest))
		if _, err := f.ReadAt(block, offset); err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, err
		}
		block = append(block, rest...)
		for len(lines) < n {
			i := bytes.LastIndexByte(block, '\n')
			if i < 0 {
				break
			}
			if whole {
				lines = append(lines, parseLine(string(block[i+1:])))
			}
			whole = true
			block = block[:i]
		}
		rest = block
		if offset == 0 && whole && len(lines) < n {
			lines = append(lines, parseLine(string(rest)))
		}
	}
	return lines, info, nil
}
