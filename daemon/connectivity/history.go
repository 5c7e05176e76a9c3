package connectivity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"pipedai/api"
)

const (
	maxHistoryFile = 5 << 20 // a larger file is set aside before the next sample
	rotatedSuffix  = ".1"
)

// historyFile appends samples to connectivity.log. The monitor's loop is the
// only writer of a home, so appends never meet.
type historyFile struct {
	path  string
	clean bool // the file is known to be ours alone and to end with a whole line
}

// add appends one line; a file that has grown too large makes room first and
// replaces the one set aside before.
func (h *historyFile) add(sample api.ConnectivitySample) error {
	line, err := json.Marshal(sample)
	if err != nil {
		return fmt.Errorf("record connectivity: %w", err)
	}
	info, err := os.Lstat(h.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h.clean = true
	case err != nil:
		return fmt.Errorf("record connectivity: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("record connectivity: %s is not a plain file; move it away", h.path)
	case info.Size() > maxHistoryFile:
		if err := os.Rename(h.path, h.path+rotatedSuffix); err != nil {
			return fmt.Errorf("rotate connectivity log: %w", err)
		}
		if err := os.Chmod(h.path+rotatedSuffix, 0o600); err != nil {
			return fmt.Errorf("protect connectivity log: %w", err)
		}
		h.clean = true
	}
	file, err := os.OpenFile(h.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("record connectivity: %w", err)
	}
	err = h.write(file, append(line, '\n'))
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		h.clean = false // part of the line may be there
		return fmt.Errorf("record connectivity: %w", err)
	}
	return nil
}

// write appends a line. What another program or a full disk left is looked at
// first: who may read it, and whether the last line is whole.
func (h *historyFile) write(file *os.File, line []byte) error {
	if !h.clean {
		if err := file.Chmod(0o600); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			return err
		}
		last := []byte{'\n'}
		if info.Size() > 0 {
			if _, err := file.ReadAt(last, info.Size()-1); err != nil {
				return err
			}
		}
		if last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
		h.clean = true
	}
	_, err := file.Write(line)
	return err
}

// tighten makes sure that only the owner reads what is there already.
func tighten(path string) error {
	for _, p := range []string{path, path + rotatedSuffix} {
		info, err := os.Lstat(p)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		if err := os.Chmod(p, 0o600); err != nil {
			return fmt.Errorf("protect connectivity log: %w", err)
		}
	}
	return nil
}

// Read returns every recorded sample, oldest first, those that were set aside
// included. Lines that are no samples are passed over. Without a file there are
// none.
func Read(path string) ([]api.ConnectivitySample, error) { return ReadTail(path, 0) }

// ReadTail returns the newest n samples, oldest first; all when n is 0.
func ReadTail(path string, n int) ([]api.ConnectivitySample, error) {
	current, err := open(path)
	if err != nil {
		return nil, err
	}
	defer closeFile(current)
	older, err := open(path + rotatedSuffix)
	if err != nil {
		return nil, err
	}
	defer closeFile(older)
	if sameFile(current, older) {
		older = nil // rotated between the two: it is one file, read once
	}
	samples, err := tail(current, n)
	if err != nil || n > 0 && len(samples) >= n {
		return samples, err
	}
	before, err := tail(older, max(0, n-len(samples)))
	return append(before, samples...), err
}

// open returns nil for a file that does not exist.
func open(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read connectivity log: %w", err)
	case !info.Mode().IsRegular(): // a pipe would hold us up for ever
		return nil, fmt.Errorf("read connectivity log: %s is not a plain file; move it away", path)
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read connectivity log: %w", err)
	}
	return file, nil
}

func closeFile(file *os.File) {
	if file != nil {
		_ = file.Close()
	}
}

func sameFile(a, b *os.File) bool {
	if a == nil || b == nil {
		return false
	}
	infoA, errA := a.Stat()
	infoB, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// tail returns the newest n samples of a file, all when n is 0. It reads from
// the end, so that a start of the daemon does not pay for months.
func tail(file *os.File, n int) ([]api.ConnectivitySample, error) {
	if file == nil {
		return nil, nil
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read connectivity log: %w", err)
	}
	// What is read is bounded even if somebody else made the file.
	size := min(info.Size(), 4*maxHistoryFile)
	for chunk := int64(256 << 10); ; chunk *= 4 {
		if n == 0 || chunk > size {
			chunk = size
		}
		data := make([]byte, chunk)
		if _, err := file.ReadAt(data, info.Size()-chunk); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read connectivity log: %w", err)
		}
		if chunk < info.Size() { // the first line is cut
			_, data, _ = bytes.Cut(data, []byte{'\n'})
		}
		if n > 0 && chunk < size && bytes.Count(data, []byte{'\n'}) < n {
			continue
		}
		samples := parse(data)
		return samples[max(0, len(samples)-limit(n, len(samples))):], nil
	}
}

func limit(n, all int) int {
	if n == 0 {
		return all
	}
	return n
}

func parse(data []byte) []api.ConnectivitySample {
	var out []api.ConnectivitySample
	for line := range bytes.Lines(data) {
		var sample api.ConnectivitySample
		if json.Unmarshal(line, &sample) == nil && sample.TS > 0 && sample.Verdict != "" {
			if sample.API == nil {
				sample.API = []api.Probe{}
			}
			out = append(out, sample)
		}
	}
	return out
}
