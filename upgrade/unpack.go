package upgrade

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"pipedai/api"
	"pipedai/internal/bounded"
	"pipedai/internal/release"
)

// The limits of what an archive may become. They are far beyond any program of
// ours and far below what fills a disk.
const (
	maxFiles    = 10_000
	maxDepth    = 24
	maxName     = 400
	maxGrowth   = 50        // times the size of the archive,
	minUnpacked = 256 << 20 // but this much in any case,
	maxUnpacked = 16 << 30  // and never more
)

// unpacker writes the files of one archive into an empty folder. It takes plain
// files and folders only, each name once, and no name that leads elsewhere.
type unpacker struct {
	ctx     context.Context
	root    *os.Root
	program string // base name of the file to run
	names   map[string]string
	tree    *tree
	found   []programFile
	left    int64
}

// programFile is a file that may be the program.
type programFile struct {
	path   string // slash path
	sha256 string
}

// unpack makes folder out of a signed file and finds the program in it. What it
// unpacks is read through file alone and compared with the signed digest once
// more, so nothing can have come in between.
func unpack(ctx context.Context, file *os.File, a api.Artifact, folder, program string) (*tree, programFile, error) {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, programFile{}, fmt.Errorf("make a folder for the files: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, programFile{}, fmt.Errorf("make a folder for the files: %w", err)
	}
	defer func() { _ = root.Close() }()
	u := &unpacker{
		ctx: ctx, root: root, program: program, names: map[string]string{}, tree: new(tree),
		left: min(max(a.Size, 1)*maxGrowth+minUnpacked, maxUnpacked),
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, programFile{}, err
	}
	read := sha256.New()
	switch a.Format {
	case release.FormatBinary:
		err = u.write(program, true, io.TeeReader(file, read))
	case release.FormatTarGz:
		err = u.tarGz(io.TeeReader(file, read))
		if err == nil { // what follows the archive was signed, too
			_, err = io.Copy(read, file)
		}
	case release.FormatZip:
		err = u.zip(file, a.Size)
		if err == nil {
			err = sumAgain(file, read)
		}
	default:
		err = badArchive("%s has the unknown format %q", a.Name, a.Format)
	}
	if err != nil {
		return nil, programFile{}, fmt.Errorf("unpack %s: %w", a.Name, err)
	}
	if sum := hex.EncodeToString(read.Sum(nil)); sum != a.SHA256 {
		return nil, programFile{}, broken("%s was changed on this host while it was unpacked", a.Name)
	}
	chosen, err := u.choose()
	return u.tree, chosen, err
}

func sumAgain(file *os.File, sum hash.Hash) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(sum, file)
	return err
}

func badArchive(format string, a ...any) error {
	return refused(api.CodeBadArchive, fmt.Sprintf(format, a...), "nothing of it was installed; it has to be published again in another form")
}

func (u *unpacker) tarGz(from io.Reader) error {
	plain, err := gzip.NewReader(from)
	if err != nil {
		return badArchive("it is no gzip file: %v", err)
	}
	files := tar.NewReader(plain)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			// The checksum of gzip comes after the last file of tar.
			if n, err := io.Copy(io.Discard, io.LimitReader(plain, 1<<20+1)); err != nil || n > 1<<20 {
				return badArchive("something is wrong behind its last file: %v", err)
			}
			return nil
		}
		if err != nil {
			return badArchive("it is no tar file: %v", err)
		}
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
		case tar.TypeDir:
			err = u.folder(h.Name)
		case tar.TypeReg:
			err = u.file(h.Name, h.FileInfo().Mode(), h.Size, files)
		default:
			err = badArchive("%q is neither a file nor a folder (type %q)", h.Name, h.Typeflag)
		}
		if err != nil {
			return err
		}
	}
}

func (u *unpacker) zip(file *os.File, size int64) error {
	archive, err := zip.NewReader(file, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return badArchive("it is no zip file: %v", err)
	}
	if len(archive.File) > maxFiles {
		return u.tooMany()
	}
	for _, f := range archive.File {
		mode := f.Mode()
		switch {
		case mode.IsDir():
			err = u.folder(f.Name)
		case !mode.IsRegular():
			err = badArchive("%q is neither a file nor a folder", f.Name)
		case f.UncompressedSize64 > maxUnpacked:
			err = u.tooMuch()
		default:
			err = u.fromZip(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) fromZip(f *zip.File) error {
	content, err := f.Open()
	if err != nil {
		return badArchive("%q cannot be read: %v", f.Name, err)
	}
	defer func() { _ = content.Close() }()
	return u.file(f.Name, f.Mode(), int64(f.UncompressedSize64), content)
}

// windowsNames are taken by devices there, whatever their ending.
var windowsNames = regexp.MustCompile(`(?i)^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$`)

// clean is the one name a member may have in the folder: relative, without
// steps up, without what one system takes for a name and another for something
// else, and not one that was there before, in whatever case.
func (u *unpacker) clean(name string, isFolder bool) (string, error) {
	plain := strings.TrimPrefix(name, "./")
	if isFolder {
		plain = strings.TrimSuffix(plain, "/")
	}
	if plain == "" || plain == "." {
		if isFolder {
			return ".", nil
		}
		return "", badArchive("a file in it has no name")
	}
	if len(plain) > maxName || !fs.ValidPath(plain) || strings.ContainsAny(plain, "\\:<>|?*\"") || strings.Count(plain, "/") >= maxDepth {
		return "", badArchive("%.200q is no name for a file below one folder", name)
	}
	for _, part := range strings.Split(plain, "/") {
		if strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") || windowsNames.MatchString(part) || strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", badArchive("%.200q is no name for a file on every system", name)
		}
	}
	kind := "file"
	if isFolder {
		kind = "folder"
	}
	key := strings.ToLower(plain)
	if before, taken := u.names[key]; taken && (before != "folder "+plain || !isFolder) {
		return "", badArchive("%.200q is in it twice", name)
	}
	u.names[key] = kind + " " + plain
	if len(u.names) > maxFiles {
		return "", u.tooMany()
	}
	return plain, nil
}

func (u *unpacker) folder(name string) error {
	plain, err := u.clean(name, true)
	if err != nil || plain == "." {
		return err
	}
	return u.root.MkdirAll(plain, 0o700)
}

func (u *unpacker) file(name string, mode fs.FileMode, size int64, content io.Reader) error {
	plain, err := u.clean(name, false)
	if err != nil {
		return err
	}
	if size > u.left {
		return u.tooMuch()
	}
	if folder := path.Dir(plain); folder != "." {
		// Parents that have no entry of their own may not differ in case alone.
		for parent := folder; parent != "."; parent = path.Dir(parent) {
			key := strings.ToLower(parent)
			if before, taken := u.names[key]; taken && before != "folder "+parent {
				return badArchive("%.200q is in it as a file, and in another case or as a folder", parent)
			}
			u.names[key] = "folder " + parent
		}
		if err := u.root.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	return u.write(plain, mode&0o111 != 0 || path.Base(plain) == u.program, content)
}

func (u *unpacker) tooMany() error { return badArchive("it has more than %d files", maxFiles) }

func (u *unpacker) tooMuch() error {
	return badArchive("it would take more room than any program needs")
}

// write makes one file. It cannot be written any more afterwards, not even by
// its owner, short of a deliberate chmod.
func (u *unpacker) write(name string, exec bool, content io.Reader) error {
	perm := fs.FileMode(0o400)
	if exec {
		perm = 0o500
	}
	file, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	h := &hashing{to: file, sum: sha256.New()}
	n, err := io.Copy(h, io.LimitReader(bounded.Reader(u.ctx, content), u.left+1))
	if err == nil {
		err = file.Chmod(perm) // whatever the umask took
	}
	if err == nil && syncOnWrite { // elsewhere all of them are at the end
		err = file.Sync()
	}
	var info fs.FileInfo
	if err == nil {
		info, err = file.Stat()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	var disk *os.PathError
	switch {
	case u.ctx.Err() != nil:
		return context.Cause(u.ctx)
	case errors.As(err, &disk):
		return err
	case err != nil:
		return badArchive("%q cannot be unpacked: %v", name, err)
	case n > u.left:
		return u.tooMuch()
	}
	u.left -= n
	sum := h.sum.Sum(nil)
	u.tree.file(name, executable(info), n, sum)
	if path.Base(name) == u.program {
		u.found = append(u.found, programFile{name, hex.EncodeToString(sum)})
	}
	return nil
}

// choose finds the program: the file of its name, and of several the one that
// is highest up.
func (u *unpacker) choose() (programFile, error) {
	var best []programFile
	for _, f := range u.found {
		switch {
		case len(best) == 0 || strings.Count(f.path, "/") < strings.Count(best[0].path, "/"):
			best = []programFile{f}
		case strings.Count(f.path, "/") == strings.Count(best[0].path, "/"):
			best = append(best, f)
		}
	}
	switch len(best) {
	case 0:
		return programFile{}, badArchive("there is no file called %s in it", u.program)
	case 1:
		return best[0], nil
	}
	return programFile{}, badArchive("there are several files called %s in it: %s and %s", u.program, best[0].path, best[1].path)
}
