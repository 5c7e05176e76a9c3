package workerlog

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"pipedai/internal/hostdir"
)

// A small file beside a log says at which position the log begins, so that
// positions go on when rotated files are gone. It names the log file by its
// number, because a daemon may be killed between a rotation and this note:
// then the number is that of the newest rotated file, and what follows from
// its size is added.

// notePath is where the beginning of a log is noted.
func notePath(path string) string { return strings.TrimSuffix(path, ".log") + ".at" }

// Note writes down at which position the log at path, which has that number,
// begins.
func Note(path string, number uint64, base int64) error {
	if err := hostdir.Plain(notePath(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(notePath(path), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	// One write of a fixed length: it is there in whole or not at all.
	_, err = f.WriteAt(fmt.Appendf(nil, "%020d %020d\n", number, base), 0)
	return errors.Join(err, f.Close())
}

// noted reads the note; zeros without one.
func noted(path string) (number uint64, base int64) {
	if hostdir.Plain(notePath(path)) != nil {
		return 0, 0
	}
	data, err := os.ReadFile(notePath(path))
	if err != nil {
		return 0, 0
	}
	fields := strings.Fields(string(data))
	if len(fields) != 2 {
		return 0, 0
	}
	number, err = strconv.ParseUint(fields[0], 10, 64)
	if err != nil {
		return 0, 0
	}
	base, err = strconv.ParseInt(fields[1], 10, 64)
	if err != nil || base < 0 {
		return 0, 0
	}
	return number, base
}

// Remove removes the log at path, its rotated files and its note.
func Remove(path string) error {
	names, err := backups(path)
	for _, name := range append(names, path, notePath(path)) {
		if e := os.Remove(name); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Backup names the i-th newest rotated file of the log at path.
func Backup(path string, i int) string { return path + "." + strconv.Itoa(i) }

// maxBackups bounds for how many rotated files is looked: none keeps more.
const maxBackups = 1000

// backups lists the rotated files of the log at path, the newest first. A
// single missing one is a rotation under way.
func backups(path string) (names []string, err error) {
	for i, missing := 1, 0; i <= maxBackups && missing < 2; i++ {
		_, err := os.Lstat(Backup(path, i))
		switch {
		case errors.Is(err, os.ErrNotExist):
			missing++
		case err != nil:
			return names, err
		default:
			missing = 0
			names = append(names, Backup(path, i))
		}
	}
	return names, nil
}
