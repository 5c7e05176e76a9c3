package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"pipedai/api"
	"pipedai/manifest"
)

// Prune removes old versions of a program until Options.Keep are left, those
// used last. It never removes one of inUse, which names what runs and what
// there has to be to return to, nor one that an entry is pinned to. It returns
// what it removed.
func (u *Upgrader) Prune(ctx context.Context, program string, inUse []string) ([]manifest.Installed, error) {
	unlock, err := u.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	all, err := u.o.Records.InstalledVersions(ctx, program)
	if err != nil {
		return nil, err
	}
	var removed []manifest.Installed
	for i, v := range all {
		if i < u.o.Keep || slices.Contains(inUse, v.Version) {
			continue
		}
		if err := u.remove(ctx, v.Program, v.Version); errors.Is(err, manifest.ErrInUse) {
			continue
		} else if err != nil {
			return removed, err
		}
		removed = append(removed, v)
	}
	return removed, nil
}

// Remove removes one version. ErrNotInstalled when it is not here, and it is
// refused when an entry is pinned to it or it is one of inUse.
func (u *Upgrader) Remove(ctx context.Context, program, version string, inUse []string) error {
	unlock, err := u.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := u.o.Records.Installed(ctx, program, version); errors.Is(err, manifest.ErrNotFound) {
		return missing(program, version)
	} else if err != nil {
		return err
	}
	if slices.Contains(inUse, version) {
		return refused(api.CodeConflict, fmt.Sprintf("%s %s is in use on this host, or is what it goes back to", program, version), "upgrade to another version first")
	}
	err = u.remove(ctx, program, version)
	if errors.Is(err, manifest.ErrInUse) { // since inUse was made
		return refused(api.CodeConflict, fmt.Sprintf("%s %s cannot be removed: %v", program, version, err), "upgrade that worker to another version first")
	}
	return err
}

// remove takes the row out first: from then on nothing starts from the folder,
// and should this process die now, Sweep takes it for what it is.
func (u *Upgrader) remove(ctx context.Context, program, version string) error {
	if err := u.o.Records.RemoveInstalled(ctx, program, version, program == api.ProgramWorker); err != nil {
		return err
	}
	u.o.reached("forgotten")
	u.mu.Lock()
	delete(u.known, program+"/"+version)
	u.mu.Unlock()
	temp, err := u.temp()
	if err != nil {
		return err
	}
	defer u.discard(temp)
	if err := os.Rename(u.folder(program, version), filepath.Join(temp, "removed")); err != nil && !errors.Is(err, os.ErrNotExist) {
		// A program that still runs holds it on Windows; Sweep tries again.
		u.o.Log.Warn("the files of a version stay for now", "program", program, "version", version, "error", err)
	}
	u.o.Log.Info("a version was removed", "program", program, "version", version)
	return nil
}
