package upgrade

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pipedai/api"
	"pipedai/internal/bounded"
	"pipedai/internal/release"
	"pipedai/manifest"
)

// Files of this machine are installed as they are, without a signature: whoever
// asks for them answers for them. They are copied, so that a later build does
// not change what runs, and their name has a part of their digest in it, so
// that two builds of 1.2.0 are two versions.

// localPath is what a path of this machine is.
type localPath uint8

const (
	localProgram localPath = iota
	localArchive
	localPackage // a folder with a package.json
	localPacked  // such a one, packed by npm
)

// findLocal looks at what is at a path, and reads nothing of it.
func (u *Upgrader) findLocal(f Found) (Found, error) {
	_, _, info, err := u.lookLocal(f)
	if err != nil {
		return Found{}, err
	}
	f.Kind, f.Channel, f.Size = manifest.InstallLocal, "", info.Size()
	return f, nil
}

// lookLocal says what is at a path, and where in it to begin.
func (u *Upgrader) lookLocal(f Found) (localPath, string, os.FileInfo, error) {
	from := f.Wanted.Local
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, "", nil, invalid("there is nothing at %s", from)
	}
	if err != nil {
		return 0, "", nil, invalid("%s cannot be read: %v", from, err)
	}
	if openToAll(info) {
		return 0, "", nil, invalid("everybody on this machine may change %s: take that away first (chmod o-w)", from)
	}
	kind := localProgram
	switch {
	case info.IsDir() && exists(filepath.Join(from, "package.json")):
		return localPackage, from, info, nil
	case info.IsDir():
		from, info, err = inFolder(from, exeName(f.Program, u.o.goos))
		if err != nil {
			return 0, "", nil, err
		}
	case hasSuffix(from, ".tgz"):
		kind = localPacked
	case hasSuffix(from, ".tar.gz", ".zip"):
		kind = localArchive
	}
	if !info.Mode().IsRegular() {
		return 0, "", nil, invalid("%s is not a plain file", from)
	}
	if info.Size() > release.MaxArtifact {
		return 0, "", nil, invalid("%s is too large to be a program", from)
	}
	return kind, from, info, nil
}

func hasSuffix(path string, endings ...string) bool {
	for _, e := range endings {
		if strings.HasSuffix(strings.ToLower(path), e) {
			return true
		}
	}
	return false
}

// inFolder finds a program in a folder or its bin.
func inFolder(folder, name string) (string, os.FileInfo, error) {
	for _, path := range []string{filepath.Join(folder, name), filepath.Join(folder, "bin", name)} {
		if info, err := os.Stat(path); err == nil {
			if openToAll(info) {
				return "", nil, invalid("everybody on this machine may change %s: take that away first (chmod o-w)", path)
			}
			return path, info, nil
		}
	}
	return "", nil, invalid("there is neither a %s nor a package.json in %s", name, folder)
}

// stageLocal copies files of this machine and asks the program its version.
func (u *Upgrader) stageLocal(ctx context.Context, f Found, temp string) (staged, error) {
	kind, from, _, err := u.lookLocal(f)
	if err != nil {
		return staged{}, err
	}
	var s staged
	switch kind {
	case localPackage:
		s, err = u.stageFolder(ctx, f, temp, from)
	case localPacked:
		s, err = u.stagePacked(ctx, f, temp, from)
	case localArchive, localProgram:
		s, err = u.stageFile(ctx, f, temp, from, kind)
	}
	if err != nil {
		return staged{}, err
	}
	if s.reports == "" {
		if s.reports, err = u.Probe(ctx, filepath.Join(s.folder, filepath.FromSlash(s.program))); err != nil {
			return staged{}, refused(api.CodeInstaller, err.Error(), "see that the file is a "+f.Program+" for this system")
		}
	}
	base, _, _ := strings.Cut(s.reports, "+")
	s.version, s.source = base+"+local."+s.tree.digest()[:12], f.Wanted.Local
	f.Version = s.version
	return s, u.stepBack(f)
}

// stageFile copies a program, or unpacks an archive, with the same rules as for
// a signed one.
func (u *Upgrader) stageFile(ctx context.Context, f Found, temp, from string, kind localPath) (staged, error) {
	copied, artifact, err := copyLocal(ctx, from, temp)
	if err != nil {
		return staged{}, err
	}
	defer func() { _ = copied.Close() }()
	switch {
	case kind == localProgram:
		artifact.Format = release.FormatBinary
	case hasSuffix(from, ".zip"):
		artifact.Format = release.FormatZip
	default:
		artifact.Format = release.FormatTarGz
	}
	folder := filepath.Join(temp, "tree")
	t, program, err := unpack(ctx, copied, artifact, folder, exeName(f.Program, u.o.goos))
	if err != nil {
		return staged{}, err
	}
	return staged{folder: folder, program: program.path, sha256: program.sha256, tree: t}, nil
}

// copyLocal takes a copy, for the file may change while it is read.
func copyLocal(ctx context.Context, from, temp string) (*os.File, api.Artifact, error) {
	source, err := os.Open(from)
	if err != nil {
		return nil, api.Artifact{}, invalid("%s cannot be read: %v", from, err)
	}
	defer func() { _ = source.Close() }()
	to, err := os.OpenFile(filepath.Join(temp, "copy"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, api.Artifact{}, fmt.Errorf("copy %s: %w", from, err)
	}
	h := &hashing{to: to, sum: sha256.New()}
	_, err = io.Copy(h, io.LimitReader(bounded.Reader(ctx, source), release.MaxArtifact+1))
	if err == nil && h.size > release.MaxArtifact {
		err = invalid("%s is too large to be a program", from)
	}
	if err == nil {
		err = anonymous(to)
	}
	if err != nil {
		_ = to.Close()
		return nil, api.Artifact{}, fmt.Errorf("copy %s: %w", from, err)
	}
	return to, api.Artifact{Name: filepath.Base(from), Size: h.size, SHA256: hex.EncodeToString(h.sum.Sum(nil))}, nil
}

// stageFolder packs the folder of a package and installs what was packed: a
// link into the folder would change with it, and be gone with it.
func (u *Upgrader) stageFolder(ctx context.Context, f Found, temp, from string) (staged, error) {
	pkg, err := readPackage(from)
	if err != nil {
		return staged{}, err
	}
	packed := filepath.Join(temp, "packed")
	if err := os.Mkdir(packed, 0o700); err != nil {
		return staged{}, fmt.Errorf("make a folder for the package: %w", err)
	}
	if _, err := u.npm(ctx, temp, "pack", "--pack-destination", packed, "--cache", filepath.Join(temp, "cache"), from); err != nil {
		return staged{}, err
	}
	files, err := filepath.Glob(filepath.Join(packed, "*.tgz"))
	if err != nil || len(files) != 1 {
		return staged{}, installerFailed(fmt.Sprintf("npm pack made %d files of %s instead of one", len(files), from))
	}
	return u.installPackage(ctx, f, temp, pkg.Name, files[0])
}

// stagePacked installs a packed package, or unpacks an archive that only has
// the ending of one.
func (u *Upgrader) stagePacked(ctx context.Context, f Found, temp, from string) (staged, error) {
	name, err := packedName(from)
	if err != nil {
		return staged{}, err
	}
	if name == "" {
		return u.stageFile(ctx, f, temp, from, localArchive)
	}
	return u.installPackage(ctx, f, temp, name, from)
}
