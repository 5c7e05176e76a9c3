package upgrade

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// tree is what an installed version is made of.
type tree struct {
	lines []string // one for each file and link
	size  int64
}

// file adds a plain file by its slash path below the folder.
func (t *tree) file(path string, executable bool, size int64, sum []byte) {
	kind := "file"
	if executable {
		kind = "exec"
	}
	t.lines = append(t.lines, fmt.Sprintf("%s %x %q", kind, sum, path))
	t.size += size
}

func (t *tree) link(path, target string) {
	t.lines = append(t.lines, fmt.Sprintf("link %q %q", path, target))
}

// digest is the same for the same files, in whatever order they were added.
func (t *tree) digest() string {
	slices.Sort(t.lines)
	sum := sha256.Sum256([]byte(strings.Join(t.lines, "\n")))
	return hex.EncodeToString(sum[:])
}

// readTree reads every file of a folder.
func readTree(folder string) (*tree, error) {
	t := new(tree)
	err := walk(folder, func(path, slash string, info fs.FileInfo) error {
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			if err == nil {
				t.link(slash, filepath.ToSlash(target))
			}
			return err
		}
		sum, size, err := sumFile(path)
		if err == nil {
			t.file(slash, executable(info), size, sum)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the installed files: %w", err)
	}
	return t, nil
}

// fingerprint tells the files of a folder apart from others without reading them: by
// which files they are and when they changed.
func fingerprint(folder string) (string, error) {
	sum := sha256.New()
	err := walk(folder, func(_, slash string, info fs.FileInfo) error {
		_, err := fmt.Fprintf(sum, "%q %d %d %v %s\n", slash, info.Size(), info.ModTime().UnixNano(), info.Mode(), identity(info))
		return err
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// walk visits every file and link below a folder; anything else is an error.
func walk(folder string, visit func(path, slash string, info fs.FileInfo) error) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
			return fmt.Errorf("%s is neither a file nor a folder", path)
		}
		below, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		return visit(path, filepath.ToSlash(below), info)
	})
}

func sumFile(path string) (sum []byte, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	size, err = io.Copy(h, file)
	return h.Sum(nil), size, err
}

// hashing writes to a file and sums what it writes.
type hashing struct {
	to   io.Writer
	sum  hash.Hash
	size int64
}

func (h *hashing) Write(p []byte) (int, error) {
	n, err := h.to.Write(p)
	h.sum.Write(p[:n])
	h.size += int64(n)
	return n, err
}
