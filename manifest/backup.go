package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"pipedai/internal/atomicfile"
	"pipedai/internal/hostdir"
	"pipedai/internal/sqlitefile"
)

// keepBackups is how many copies are kept; the oldest go as new ones come.
const keepBackups = 3

// Backup is a copy of the manifest that was put aside before its schema changed.
type Backup struct {
	Path   string
	Schema int64
	At     time.Time
}

// backupFolder lies beside the file, for a rename must not cross file systems.
func backupFolder(path string) string { return filepath.Join(filepath.Dir(path), "backups") }

const backupTime = "20060102T150405.000Z"

var backupName = regexp.MustCompile(`^manifest-schema([0-9]+)-([0-9]{8}T[0-9]{6}\.[0-9]{3}Z)\.db$`)

// Backups lists the copies of the manifest at path, the newest first.
func Backups(path string) ([]Backup, error) {
	files, err := os.ReadDir(backupFolder(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list backups of the manifest: %w", err)
	}
	var out []Backup
	for _, f := range files {
		parts := backupName.FindStringSubmatch(f.Name())
		if parts == nil {
			continue
		}
		at, err := time.Parse(backupTime, parts[2])
		if err != nil {
			continue // not a name of ours
		}
		schema, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			continue
		}
		out = append(out, Backup{Path: filepath.Join(backupFolder(path), f.Name()), Schema: schema, At: at})
	}
	slices.SortFunc(out, func(a, b Backup) int { return b.At.Compare(a.At) })
	return out, nil
}

// lastBackup is the newest copy that a program which knows that schema can work
// with; empty without one.
func lastBackup(path string, known int64) string {
	all, err := Backups(path)
	if err != nil {
		return "" // who cannot look there cannot restore from there
	}
	for _, b := range all {
		if b.Schema <= known {
			return b.Path
		}
	}
	return ""
}

// backUp puts a whole and consistent copy aside, durably, and drops the oldest.
func (m *Manifest) backUp(ctx context.Context, path string, schema int64) error {
	folder := backupFolder(path)
	if err := hostdir.Folder(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	name := fmt.Sprintf("manifest-schema%d-%s.db", schema, time.Now().UTC().Format(backupTime))
	if err := m.copyTo(ctx, filepath.Join(folder, name)); err != nil {
		return err
	}
	all, err := Backups(path)
	if err != nil {
		return err
	}
	for _, old := range all[min(keepBackups, len(all)):] {
		if err := os.Remove(old.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("drop an old backup: %w", err)
		}
	}
	return nil
}

// copyTo writes the file anew somewhere else: with everything that is committed,
// and nothing of a write that is under way.
func (m *Manifest) copyTo(ctx context.Context, path string) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".copy-*.tmp") // for the owner only
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone already when all went well
	if err := temp.Close(); err != nil {
		return err
	}
	// An empty file is as good as none to it.
	if _, err := m.db.Writer.ExecContext(ctx, `VACUUM INTO ?`, temp.Name()); err != nil {
		return sqlitefile.Classify(err)
	}
	return settle(temp.Name(), path)
}

// settle moves a file that was written to its place, so that it is there whole
// or not at all whenever the power goes.
func settle(temp, path string) error {
	f, err := os.OpenFile(temp, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return atomicfile.SyncFolder(filepath.Dir(path))
}

// Restore puts a copy in the place of the manifest at path, and returns where
// what was there is now. No program may have the manifest open: the caller holds
// the daemon's lock. The copy stays. It is refused when this program could not
// work with it.
func Restore(ctx context.Context, path, backup string) (replaced string, err error) {
	if err := hostdir.Plain(backup); err != nil {
		return "", fmt.Errorf("restore the manifest: %w", err)
	}
	if _, err := os.Stat(backup); err != nil {
		return "", fmt.Errorf("restore the manifest: %w", err)
	}
	if err := os.MkdirAll(backupFolder(path), 0o700); err != nil {
		return "", fmt.Errorf("restore the manifest: %w: %w", ErrReadOnly, err)
	}
	next, err := os.MkdirTemp(backupFolder(path), ".restore-*")
	if err != nil {
		return "", fmt.Errorf("restore the manifest: %w: %w", ErrReadOnly, err)
	}
	defer func() { _ = os.RemoveAll(next) }() // empty when all went well
	fresh := filepath.Join(next, "manifest.db")
	if err := duplicateFile(ctx, backup, fresh, Known().Version); err != nil {
		return "", fmt.Errorf("restore the manifest from %s: %w", backup, err)
	}
	if replaced, err = setAside(ctx, path); err != nil {
		return "", fmt.Errorf("restore the manifest: %w", err)
	}
	if err := settle(fresh, path); err != nil {
		return replaced, fmt.Errorf("restore the manifest: %w", err)
	}
	return replaced, nil
}

// duplicateFile copies a manifest that nobody has open, and checks every page.
func duplicateFile(ctx context.Context, from, to string, known int64) error {
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		return err
	}
	db, err := sqlitefile.Open(ctx, to, sqlitefile.Options{Readers: 1, CheckWhole: true})
	if err != nil {
		return err
	}
	have, err := schemaOf(ctx, db.Writer)
	switch {
	case err != nil:
	case have.Version == 0:
		err = fmt.Errorf("%w: it holds no manifest", ErrCorrupt)
	case !have.Serves(known):
		err = &NewerError{Schema: have, Known: known}
	}
	return errors.Join(err, db.Close()) // the last one that closes it takes its log in
}

// setAside gives what is at path a name among the backups as well, with all that
// is committed in it. A file that cannot be read moves there as it is. At every
// instant there is a file at path, unless it could not be read.
func setAside(ctx context.Context, path string) (string, error) {
	folder, err := os.MkdirTemp(backupFolder(path), "replaced-"+time.Now().UTC().Format(backupTime)+"-*")
	if err != nil {
		return "", err
	}
	aside := filepath.Join(folder, filepath.Base(path))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", os.Remove(folder)
	}
	db, err := sqlitefile.Open(ctx, path, sqlitefile.Options{BusyTimeout: busyTimeout, Readers: 1})
	if err == nil {
		m := &Manifest{db: db}
		err = m.copyTo(ctx, aside)
		if errors.Is(err, ErrLocked) || errors.Is(err, ErrReadOnly) {
			return "", errors.Join(err, db.Close(), os.Remove(folder))
		}
		// Closed for the last time it has no log beside it any more, so that a file
		// which takes its place is not read together with this one's.
		err = errors.Join(err, db.Close())
	}
	if errors.Is(err, ErrLocked) || errors.Is(err, ErrReadOnly) {
		return "", errors.Join(err, os.Remove(folder))
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if _, lost := os.Lstat(path + suffix); lost == nil {
			if err == nil {
				return "", fmt.Errorf("%w: %s is there", ErrLocked, path+suffix)
			}
			if moved := os.Rename(path+suffix, aside+suffix); moved != nil {
				return "", moved
			}
		}
	}
	if err != nil { // damaged: whoever looks into it wants it as it is
		return aside, os.Rename(path, aside)
	}
	return aside, nil
}

// Peek reads the schema of the manifest at path without changing it; zero when
// there is none.
func Peek(ctx context.Context, path string) (Schema, error) {
	if err := hostdir.Plain(path); err != nil {
		return Schema{}, fmt.Errorf("manifest: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return Schema{}, nil
	}
	db, err := sqlitefile.Open(ctx, path, sqlitefile.Options{BusyTimeout: busyTimeout, Readers: 1})
	if err != nil {
		return Schema{}, fmt.Errorf("manifest: %w", err)
	}
	s, err := schemaOf(ctx, db.Reader)
	return s, errors.Join(err, db.Close())
}
