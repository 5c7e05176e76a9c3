package upgrade

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"pipedai/api"
	"pipedai/internal/hostdir"
	"pipedai/manifest"
)

const (
	lockName   = ".lock"
	tempPrefix = ".tmp-"
	lockRetry  = 50 * time.Millisecond
)

// staged is a version that lies complete in a temporary folder.
type staged struct {
	folder  string // becomes versions/<program>/<version>
	program string // slash path of the program in it
	version string // its name here
	reports string
	source  string
	sha256  string
	tree    *tree
}

// Fetch brings what Find decided on to this host and returns it installed. One
// that is here already, and intact, costs nothing.
//
// Whatever goes wrong, nothing is left behind and no other version is touched.
// Another process that installs at the same time is waited for, until ctx ends.
func (u *Upgrader) Fetch(ctx context.Context, f Found, progress Progress) (manifest.Installed, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	unlock, err := u.lock(ctx)
	if err != nil {
		return manifest.Installed{}, err
	}
	defer unlock()
	if have, ok := u.intact(ctx, f.Program, f.Version); ok && have.Kind == f.Kind {
		return have, nil
	}
	temp, err := u.temp()
	if err != nil {
		return manifest.Installed{}, err
	}
	defer func() { u.discard(temp) }()
	s, err := u.stage(ctx, f, temp, progress)
	if err != nil {
		return manifest.Installed{}, onDisk(err, u.o.Dir)
	}
	u.o.reached("staged")
	v, err := u.commit(ctx, f, s, temp)
	return v, onDisk(err, u.o.Dir)
}

func (u *Upgrader) stage(ctx context.Context, f Found, temp string, progress Progress) (staged, error) {
	switch f.Kind {
	case manifest.InstallArchive:
		return u.stageRelease(ctx, f, temp, progress)
	case manifest.InstallNPM:
		return u.stagePackage(ctx, f, temp)
	case manifest.InstallLocal:
		return u.stageLocal(ctx, f, temp)
	}
	return staged{}, invalid("%q is no way to install anything", f.Kind)
}

// lock keeps every other process, and every other call, from changing the
// versions folder.
func (u *Upgrader) lock(ctx context.Context) (unlock func(), err error) {
	if err := u.makeFolder(u.o.Dir); err != nil {
		return nil, err
	}
	path := filepath.Join(u.o.Dir, lockName)
	if err := hostdir.Plain(path); err != nil {
		return nil, fmt.Errorf("lock the versions folder: %w", err)
	}
	lock := flock.New(path, flock.SetPermissions(0o600))
	got, err := lock.TryLockContext(ctx, lockRetry)
	if ctx.Err() != nil {
		return nil, refused(api.CodeConflict, "another program is installing a version on this host: "+context.Cause(ctx).Error(), "try again when it is done")
	}
	if err != nil || !got {
		return nil, onDisk(fmt.Errorf("lock the versions folder: %w", err), u.o.Dir)
	}
	return func() { _ = lock.Unlock() }, nil
}

// makeFolder makes a folder of ours that nobody else can look into.
func (u *Upgrader) makeFolder(path string) error {
	err := hostdir.Folder(path)
	if err == nil {
		err = os.MkdirAll(path, 0o700)
	}
	if err == nil {
		err = os.Chmod(path, 0o700)
	}
	if err != nil {
		return onDisk(fmt.Errorf("make the versions folder: %w", err), u.o.Dir)
	}
	return nil
}

// temp makes a folder on the same file system, for what is not complete.
func (u *Upgrader) temp() (string, error) {
	path := filepath.Join(u.o.Dir, tempPrefix+rand.Text()[:12])
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", onDisk(fmt.Errorf("make a temporary folder: %w", err), u.o.Dir)
	}
	return path, nil
}

// discard removes a temporary folder. One that cannot be removed now is swept
// at the next start.
func (u *Upgrader) discard(path string) {
	if err := os.RemoveAll(path); err != nil {
		u.o.Log.Warn("a temporary folder is left behind", "folder", path, "error", err)
	}
}

// commit gives a staged version its name and writes it down. The order is what
// makes a kill at any point harmless: only a folder with a row counts, and the
// row comes last.
func (u *Upgrader) commit(ctx context.Context, f Found, s staged, temp string) (manifest.Installed, error) {
	if err := checkVersion(s.version); err != nil {
		return manifest.Installed{}, err
	}
	parent, final := filepath.Join(u.o.Dir, f.Program), u.folder(f.Program, s.version)
	if err := u.makeFolder(parent); err != nil {
		return manifest.Installed{}, err
	}
	if err := syncTree(s.folder); err != nil {
		return manifest.Installed{}, fmt.Errorf("write the files to the disk: %w", err)
	}
	before, err := os.Lstat(s.folder)
	if err != nil {
		return manifest.Installed{}, err
	}
	if exists(final) { // a leftover, or one whose files were changed
		if err := os.Rename(final, filepath.Join(temp, "replaced")); err != nil {
			return manifest.Installed{}, fmt.Errorf("put the damaged version aside: %w", err)
		}
	}
	if err := os.Rename(s.folder, final); err != nil {
		return manifest.Installed{}, fmt.Errorf("give the version its name: %w", err)
	}
	u.o.reached("renamed")
	v := manifest.Installed{
		Program: f.Program, Version: s.version, Kind: f.Kind, Path: filepath.Join(final, filepath.FromSlash(s.program)), Reports: s.reports,
		SHA256: s.sha256, TreeSHA256: s.tree.digest(), Size: s.tree.size, Source: s.source, InstalledAt: u.o.now(),
	}
	if f.Kind == manifest.InstallArchive {
		v.Channel, v.Sequence = f.Channel, f.Manifest.Sequence
	}
	// What is recorded is the digest of the bytes that were checked, and what has
	// the name now is compared with it: whoever exchanged a file in between, or
	// the folder, is found here, and at every start.
	after, err := os.Lstat(final)
	if err == nil && !os.SameFile(before, after) {
		err = errors.New("it is another folder")
	}
	if err == nil {
		err = syncFolder(parent)
	}
	if err == nil {
		err = u.verify(v)
	}
	if err == nil {
		err = u.o.Records.AddInstalled(ctx, v)
	}
	u.o.reached("recorded")
	if err != nil {
		u.discard(final)
		return manifest.Installed{}, fmt.Errorf("install %s %s: %w", f.Program, s.version, err)
	}
	u.o.Log.Info("a version was installed", "program", v.Program, "version", v.Version, "kind", v.Kind, "from", v.Source, "sha256", v.SHA256)
	return v, nil
}

// syncTree writes everything below a folder to the disk.
func syncTree(folder string) error {
	return filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return syncFolder(path)
		case d.Type().IsRegular():
			return syncFile(path)
		}
		return nil
	})
}

// Sweep takes away what installs that were killed left behind, and forgets
// versions whose files are gone. It is for the start of the daemon; while
// another process installs it does nothing.
func (u *Upgrader) Sweep(ctx context.Context) error {
	if !exists(u.o.Dir) {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	unlock, err := u.lock(limit)
	if err != nil {
		if limit.Err() != nil && ctx.Err() == nil {
			return nil
		}
		return err
	}
	defer unlock()
	programs, err := os.ReadDir(u.o.Dir)
	if err != nil {
		return fmt.Errorf("sweep the versions folder: %w", err)
	}
	for _, program := range programs {
		path := filepath.Join(u.o.Dir, program.Name())
		switch {
		case strings.HasPrefix(program.Name(), tempPrefix):
			u.discard(path)
		case program.IsDir():
			if err := u.sweepProgram(ctx, program.Name()); err != nil {
				return err
			}
		}
	}
	return u.forgetGone(ctx)
}

func (u *Upgrader) sweepProgram(ctx context.Context, program string) error {
	versions, err := os.ReadDir(filepath.Join(u.o.Dir, program))
	if err != nil {
		return fmt.Errorf("sweep the versions folder: %w", err)
	}
	for _, version := range versions {
		_, err := u.o.Records.Installed(ctx, program, version.Name())
		if errors.Is(err, manifest.ErrNotFound) {
			u.o.Log.Info("an install that did not end is taken away", "program", program, "version", version.Name())
			u.discard(u.folder(program, version.Name()))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// forgetGone takes out of the manifest what a person removed by hand. One that
// a worker is pinned to stays, so that its start says what is missing.
func (u *Upgrader) forgetGone(ctx context.Context) error {
	all, err := u.o.Records.InstalledVersions(ctx, "")
	if err != nil {
		return err
	}
	for _, v := range all {
		if exists(u.folder(v.Program, v.Version)) {
			continue
		}
		err := u.o.Records.RemoveInstalled(ctx, v.Program, v.Version, v.Program == api.ProgramWorker)
		if err != nil && !errors.Is(err, manifest.ErrInUse) {
			return err
		}
	}
	return nil
}
