package rotate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// maxTail bounds how much of the files is read to show their end.
	maxTail = 4 << 20
	// maxBackups bounds for how many backups is looked.
	maxBackups = 100
	// followEvery is how often a file is looked at that is followed.
	followEvery = 250 * time.Millisecond
)

// Tail returns the last n lines of the file at path and of its backups, oldest
// first. Without a file it returns os.ErrNotExist.
func Tail(path string, n int) ([]string, error) {
	lines, _, err := tail(path, n)
	return lines, err
}

// Follow gives the last n lines as Tail does, and then every line as it is
// written, through rotations, until ctx ends (it returns its cause). Only lines
// of backups that were dropped before they were read are missing.
func Follow(ctx context.Context, path string, n int, each func(line string)) error {
	lines, at, err := tail(path, n)
	if err != nil {
		return err
	}
	look := time.NewTicker(followEvery)
	defer look.Stop()
	for {
		for _, l := range lines {
			each(l)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
		if lines, at, err = since(path, at); err != nil {
			return err
		}
	}
}

// place is how far a log was read: to which offset of which file.
type place struct {
	file   os.FileInfo
	offset int64
}

// tail also returns the place behind the last line. No file is held open
// between two looks: on Windows it could not be rotated then.
func tail(path string, n int) ([]string, place, error) {
	data, at, err := read(path, -1)
	if err != nil {
		return nil, place{}, err
	}
	last := at
	for i := 1; i <= maxBackups && bytes.Count(data, []byte{'\n'}) < n && len(data) < maxTail; i++ {
		older, from, err := read(backup(path, i), -1)
		if err != nil {
			break // there are no more
		}
		if os.SameFile(from.file, last.file) {
			continue // rotated while we looked
		}
		data, last = append(older, data...), from
	}
	lines := split(data)
	return lines[max(0, len(lines)-n):], at, nil
}

// since returns the lines behind a place, and the place behind them.
func since(path string, at place) ([]string, place, error) {
	now, err := os.Stat(path)
	if err == nil && os.SameFile(now, at.file) && now.Size() == at.offset {
		return nil, at, nil
	}
	// From the newest to the one that was read last: what is rotated meanwhile
	// is met twice and not missed.
	type piece struct {
		data []byte
		at   place
	}
	var pieces []piece
	for i, missing := 0, 0; i <= maxBackups && missing < 2; i++ {
		name := path
		if i > 0 {
			name = backup(path, i)
		}
		info, err := os.Stat(name)
		if errors.Is(err, os.ErrNotExist) {
			missing++ // one may be missing while files are moved
			continue
		}
		if err != nil {
			return nil, at, fmt.Errorf("read log: %w", err)
		}
		missing = 0
		known := os.SameFile(info, at.file)
		if len(pieces) > 0 && os.SameFile(info, pieces[len(pieces)-1].at.file) {
			continue
		}
		from := int64(0)
		if known && info.Size() >= at.offset {
			from = at.offset
		}
		data, end, err := read(name, from)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, at, err
		}
		if !os.SameFile(end.file, info) {
			return nil, at, nil // rotated this very moment; the next look finds it all
		}
		pieces = append(pieces, piece{data, end})
		if known {
			break
		}
	}
	if len(pieces) == 0 {
		return nil, at, nil // there will be one again
	}
	var data []byte
	for i := len(pieces) - 1; i >= 0; i-- {
		data = append(data, pieces[i].data...)
	}
	return split(data), pieces[0].at, nil
}

// read returns the whole lines of a file from an offset on, or, when that is
// negative, the last of them.
func read(name string, from int64) ([]byte, place, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, place{}, fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, place{}, fmt.Errorf("read log: %w", err)
	}
	cut := from < 0 && info.Size() > maxTail
	if from < 0 {
		from = max(0, info.Size()-maxTail)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, from, max(0, info.Size()-from)))
	if err != nil {
		return nil, place{}, fmt.Errorf("read log: %w", err)
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	end := place{info, from + int64(len(data))}
	if cut { // within a line
		data = data[bytes.IndexByte(data, '\n')+1:]
	}
	return data, end, nil
}

func split(data []byte) []string {
	var lines []string
	for l := range bytes.Lines(data) {
		lines = append(lines, string(l[:len(l)-1]))
	}
	return lines
}
