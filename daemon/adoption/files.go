package adoption

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"pipedai/manifest"
)

// maxFile bounds a worker.json; a real one has a few hundred bytes.
const maxFile = 1 << 20

var fileName = regexp.MustCompile(`^worker(\..+)?\.json$`)

// Files lists the worker.json files of a folder, not of those below it, sorted
// by code unit: of two files of one worker the first is taken.
func Files(dir string) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find worker configurations: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("find worker configurations: %w", err)
	}
	var names []string
	for _, e := range entries {
		if fileName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int { return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))) })
	for i, name := range names {
		names[i] = filepath.Join(dir, name)
	}
	return names, nil
}

// labelOf is the <anything> of worker.<anything>.json.
func labelOf(path string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "worker"), ".json")
	if name = strings.TrimPrefix(name, "."); name == "" {
		return "default"
	}
	return name
}

// file is a worker.json as it was read.
type file struct {
	path  string
	info  fs.FileInfo
	entry manifest.Entry
	sum   string // of its content
	lax   bool   // others may read it
	token bool
}

// read reads a worker.json without following links, waiting for pipes or
// trusting its size. Its errors are short: they are the reasons of the contract.
func read(path string) (file, error) {
	out := file{path: path, entry: manifest.Entry{Label: labelOf(path), ConfigPath: path}}
	f, err := openPlain(path)
	if err != nil {
		return out, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if out.info, err = f.Stat(); err != nil {
		return out, fmt.Errorf("unreadable: %w", reason(err))
	}
	if !out.info.Mode().IsRegular() {
		return out, errors.New("not a plain file")
	}
	if !ownedByUs(out.info) {
		return out, errors.New("belongs to another user")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return out, fmt.Errorf("unreadable: %w", reason(err))
	}
	if len(data) > maxFile {
		return out, fmt.Errorf("larger than %d bytes", maxFile)
	}
	sum := sha256.Sum256(data)
	out.sum, out.lax = hex.EncodeToString(sum[:]), lax(out.info)
	return out, out.decode(data)
}

// decode takes what the contract names; anything else is the worker's.
func (f *file) decode(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return errors.New("unreadable: not a JSON object") // the error could quote a token
	}
	text := func(name string) string {
		var s string
		if json.Unmarshal(members[name], &s) != nil {
			return ""
		}
		return s
	}
	e := &f.entry
	e.ID, e.APIURL = text("workerId"), text("apiUrl")
	if e.ID == "" || e.APIURL == "" {
		return errors.New("missing workerId/apiUrl")
	}
	f.token = text("workerToken") != ""
	e.Mode = manifest.ModeWorkspace
	if string(members["isPool"]) == "true" {
		e.Mode = manifest.ModePool
	} else {
		e.WorkspaceID = text("workspaceId")
	}
	if err := e.Validate(); err != nil {
		return &invalidError{strings.TrimLeft(strings.TrimPrefix(err.Error(), manifest.ErrInvalid.Error()), ": ")}
	}
	return nil
}

// invalidError says that a file is a worker's and has something wrong in it.
type invalidError struct{ text string }

func (e *invalidError) Error() string { return e.text }

// reason takes the path out of an error: it is told beside it.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
