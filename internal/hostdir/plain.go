package hostdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrNotPlain says that something lies where a file of ours belongs that is no
// plain file of ours.
var ErrNotPlain = errors.New("it is left alone: move it away")

// Plain refuses a path at which something else lies than a plain file of this
// user: a link, a pipe or a stranger's file there was put by somebody else, and
// whoever wrote through it would write where that one chose. Nothing there is
// fine. The path is looked at, never opened.
func Plain(path string) error {
	info, err := plain(path)
	if err == nil && info != nil && !ours(info) {
		err = fmt.Errorf("%s belongs to another user; %w, or run this as that user", path, ErrNotPlain)
	}
	return err
}

// PlainOfAnyone is Plain without the question whose the file is, for what is
// only read and is trusted with nothing.
func PlainOfAnyone(path string) error {
	_, err := plain(path)
	return err
}

// plain describes a plain file; nil when nothing is there.
func plain(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look at %s: %w", path, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a plain file; %w", path, ErrNotPlain)
	}
	return info, nil
}

// Folder refuses to work with a path at which there is something other than a
// folder of ours: nothing is made in, or taken from, what a link leads to. A
// path with nothing at it is fine.
func Folder(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at %s: %w", path, err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder; %w", path, ErrNotPlain)
	case !ours(info):
		return fmt.Errorf("%s belongs to another user; %w, or run this as that user", path, ErrNotPlain)
	}
	return nil
}
