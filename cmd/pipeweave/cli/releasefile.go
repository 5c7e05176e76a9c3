package cli

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"pipedai/api"
	"pipedai/internal/cliutil"
	"pipedai/internal/release"
)

// releaseFile is a file that will be an artifact.
type releaseFile struct {
	path             string
	program, version string // by its name; empty when given by hand
	api.Artifact
}

// programHead is how much of a program says what it is.
const programHead = 4096

// namedFile is how release tools name their files: program_version_os_arch, and
// what the form of it adds.
var namedFile = regexp.MustCompile(`^([a-z0-9][a-z0-9-]*)_v?([0-9][0-9A-Za-z.+-]*)_([a-z0-9]+)_([a-z0-9]+?)(\.tar\.gz|\.tgz|\.zip|\.exe)?$`)

// findReleaseFiles collects files given as os/arch=path, and those that tell
// by their names, alone or in folders. What else is in a folder is left alone.
func findReleaseFiles(given, paths []string) ([]releaseFile, error) {
	var out []releaseFile
	for _, text := range given {
		platform, name, ok := strings.Cut(text, "=")
		goos, arch, slash := strings.Cut(platform, "/")
		if !ok || !slash || name == "" {
			return nil, cliutil.UsageError("--artifact %s: write it as os/arch=path, such as linux/amd64=dist/worker.tar.gz", text)
		}
		out = append(out, releaseFile{path: name, Artifact: api.Artifact{OS: goos, Arch: arch}})
	}
	for _, name := range paths {
		info, err := os.Stat(name)
		if err != nil {
			return nil, cliutil.Fail(cliutil.ExitUsage, err, "")
		}
		if !info.IsDir() {
			f, ok := byName(name)
			if !ok {
				return nil, cliutil.Failf(cliutil.ExitUsage, "say what it is for: --artifact linux/amd64="+name, "%s is not named program_version_os_arch", name)
			}
			out = append(out, f)
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, cliutil.Fail(cliutil.ExitUsage, err, "")
		}
		before := len(out)
		for _, e := range entries {
			if f, ok := byName(filepath.Join(name, e.Name())); ok && !e.IsDir() {
				out = append(out, f)
			}
		}
		if len(out) == before {
			return nil, cliutil.UsageError("%s has no file that is named program_version_os_arch, such as pipedai-worker_1.2.0_linux_amd64.tar.gz", name)
		}
	}
	return out, nil
}

func byName(name string) (releaseFile, bool) {
	m := namedFile.FindStringSubmatch(filepath.Base(name))
	if m == nil {
		return releaseFile{}, false
	}
	return releaseFile{path: name, program: m[1], version: m[2], Artifact: api.Artifact{OS: m[3], Arch: m[4]}}, true
}

// measure reads a file and completes what there is to say of it. It refuses what
// is not the program for that platform: a host would have to.
func (f *releaseFile) measure(ctx context.Context, program string) error {
	file, err := os.Open(f.path)
	if err != nil {
		return cliutil.Fail(cliutil.ExitUsage, err, "")
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	switch {
	case err != nil:
		return cliutil.Fail(cliutil.ExitUsage, err, "")
	case !info.Mode().IsRegular():
		return cliutil.UsageError("%s is not a file", f.path)
	case info.Size() == 0 || info.Size() > release.MaxArtifact:
		return cliutil.UsageError("%s has %d bytes; an artifact has 1 to %d", f.path, info.Size(), int64(release.MaxArtifact))
	}
	f.Name, f.Size = filepath.Base(f.path), info.Size()
	if err := f.check(file, program); err != nil {
		return cliutil.Failf(cliutil.ExitUsage, "", "%s: %w", f.path, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, &interruptible{ctx, file})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("read %s: %w", f.path, err)
	case n != f.Size:
		return fmt.Errorf("%s changed while it was read", f.path)
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// interruptible ends with its context.
type interruptible struct {
	ctx  context.Context
	from io.Reader
}

func (r *interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// check finds the form of a file by its first bytes, and the program in it.
func (f *releaseFile) check(file *os.File, program string) error {
	head := make([]byte, programHead)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	head = head[:n]
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		f.Format = release.FormatTarGz
		head, err = programInTar(file, f.wanted(program))
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		f.Format = release.FormatZip
		head, err = programInZip(file, f.Size, f.wanted(program))
	default:
		f.Format = release.FormatBinary
	}
	if err != nil {
		return err
	}
	return runsOn(head, f.OS, f.Arch)
}

// wanted is what the program is called in an archive.
func (f *releaseFile) wanted(program string) string {
	if f.OS == "windows" {
		return program + ".exe"
	}
	return program
}

func programInTar(file io.Reader, wanted string) (head []byte, err error) {
	plain, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("it is no tar.gz: %w", err)
	}
	files := tar.NewReader(plain)
	for {
		h, err := files.Next()
		switch {
		case errors.Is(err, io.EOF) && head == nil:
			return nil, fmt.Errorf("there is no file called %s in it", wanted)
		case errors.Is(err, io.EOF):
			return head, nil
		case err != nil:
			return nil, fmt.Errorf("it is no tar.gz: %w", err)
		case h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader:
			continue
		case h.Typeflag != tar.TypeReg:
			return nil, fmt.Errorf("%q in it is a link or a device; hosts take files and folders only", h.Name)
		}
		if err := plainName(h.Name); err != nil {
			return nil, err
		}
		if path.Base(h.Name) == wanted && head == nil {
			if head, err = io.ReadAll(io.LimitReader(files, programHead)); err != nil {
				return nil, fmt.Errorf("read %s in it: %w", h.Name, err)
			}
		}
	}
}

func programInZip(file io.ReaderAt, size int64, wanted string) (head []byte, err error) {
	archive, err := zip.NewReader(file, size)
	if err != nil {
		return nil, fmt.Errorf("it is no zip: %w", err)
	}
	for _, f := range archive.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if err := plainName(f.Name); err != nil {
			return nil, err
		}
		if !f.Mode().IsRegular() {
			return nil, fmt.Errorf("%q in it is a link or a device; hosts take files and folders only", f.Name)
		}
		if path.Base(f.Name) != wanted || head != nil {
			continue
		}
		body, err := f.Open()
		if err == nil {
			head, err = io.ReadAll(io.LimitReader(body, programHead))
			_ = body.Close() // it was only read
		}
		if err != nil {
			return nil, fmt.Errorf("read %s in it: %w", f.Name, err)
		}
	}
	if head == nil {
		return nil, fmt.Errorf("there is no file called %s in it", wanted)
	}
	return head, nil
}

// plainName refuses names that lead out of the folder they are unpacked into.
func plainName(name string) error {
	if !fs.ValidPath(strings.TrimPrefix(name, "./")) || strings.Contains(name, `\`) {
		return fmt.Errorf("%q in it is no name for a file below one folder", name)
	}
	return nil
}

// runsOn says why a program cannot run on a platform, by its first bytes. What
// is not known here passes: there are more systems than this table has.
func runsOn(head []byte, goos, arch string) error {
	kind, systems, archs := programKind(head)
	switch {
	case kind == "":
		return errors.New("it is no program: neither ELF, Mach-O nor PE, and no script")
	case !slices.Contains(systems, goos) && (kind != "ELF" || goos == "windows" || goos == "darwin" || goos == "ios") && (kind != "script" || goos == "windows"):
		return fmt.Errorf("it is a program for %s and not for %s", systems[0], goos)
	case len(archs) > 0 && !slices.Contains(archs, arch):
		return fmt.Errorf("it is a program for %s and not for %s", archs[0], arch)
	}
	return nil
}

var (
	elfMachines = map[uint16][]string{
		3: {"386"}, 8: {"mips", "mipsle", "mips64", "mips64le"}, 20: {"ppc"}, 21: {"ppc64le", "ppc64"}, 22: {"s390x"}, 40: {"arm"},
		62: {"amd64"}, 183: {"arm64"}, 243: {"riscv64"}, 258: {"loong64"},
	}
	machoMachines = map[uint32][]string{0x01000007: {"amd64"}, 0x0100000c: {"arm64"}}
	peMachines    = map[uint16][]string{0x14c: {"386"}, 0x8664: {"amd64"}, 0xaa64: {"arm64"}, 0x1c4: {"arm"}}
)

func programKind(head []byte) (kind string, systems, archs []string) {
	switch {
	case len(head) >= 20 && bytes.HasPrefix(head, []byte("\x7fELF")):
		order := binary.ByteOrder(binary.LittleEndian)
		if head[5] == 2 {
			order = binary.BigEndian
		}
		return "ELF", []string{"linux"}, elfMachines[order.Uint16(head[18:])]
	case len(head) >= 8 && bytes.HasPrefix(head, []byte{0xcf, 0xfa, 0xed, 0xfe}):
		return "Mach-O", []string{"darwin", "ios"}, machoMachines[binary.LittleEndian.Uint32(head[4:])]
	case bytes.HasPrefix(head, []byte{0xca, 0xfe, 0xba, 0xbe}):
		return "Mach-O", []string{"darwin", "ios"}, nil // for several processors
	case len(head) >= 64 && bytes.HasPrefix(head, []byte("MZ")):
		at := int(binary.LittleEndian.Uint32(head[60:]))
		if at >= 0 && at+6 <= len(head) && bytes.Equal(head[at:at+4], []byte("PE\x00\x00")) {
			return "PE", []string{"windows"}, peMachines[binary.LittleEndian.Uint16(head[at+4:])]
		}
		return "PE", []string{"windows"}, nil
	case bytes.HasPrefix(head, []byte("#!")):
		return "script", []string{"a system with scripts"}, nil
	}
	return "", nil, nil
}
