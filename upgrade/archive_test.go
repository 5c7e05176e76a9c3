package upgrade_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pipedai/api"
	"pipedai/internal/release"
)

func TestFetch_formats(t *testing.T) {
	t.Parallel()
	body := script("2.0.0")
	folder := func(prefix string) []member {
		return []member{{name: prefix + "pipedai-worker", body: body, mode: 0o644}, {name: prefix + "README.md", body: []byte("read me"), mode: 0o644}}
	}
	for name, test := range map[string]struct {
		format string
		data   []byte
		want   string
	}{
		"the program itself":    {release.FormatBinary, body, "pipedai-worker"},
		"tar.gz":                {release.FormatTarGz, tarGz(t, folder("")...), "pipedai-worker"},
		"tar.gz with a folder":  {release.FormatTarGz, tarGz(t, append([]member{{name: "x-2.0.0/", kind: '5', mode: 0o755}}, folder("x-2.0.0/bin/")...)...), "x-2.0.0/bin/pipedai-worker"},
		"tar.gz that begins ./": {release.FormatTarGz, tarGz(t, append([]member{{name: "./", kind: '5', mode: 0o755}}, folder("./")...)...), "pipedai-worker"},
		"zip":                   {release.FormatZip, zipped(t, folder("bin/")...), "bin/pipedai-worker"},
		"the one highest up":    {release.FormatZip, zipped(t, append(folder("examples/old/"), folder("bin/")...)...), "bin/pipedai-worker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t)
			h := newHost(t, p, nil)
			p.publish(t, made(api.ProgramWorker, "2.0.0", 1, test.format, test.data), test.data)
			v, err := h.install(t.Context(), h.want(""))
			if err != nil {
				t.Fatal(err)
			}
			want := filepath.Join(h.dir, "pipedai-worker", "2.0.0", filepath.FromSlash(test.want))
			path, err := h.Program(t.Context(), api.ProgramWorker, "2.0.0")
			if err != nil || path != want || v.Path != want || v.Source != p.URL || v.Sequence != 1 || v.Channel != "stable" {
				t.Fatalf("got %q, %v and %+v, want %q", path, err, v, want)
			}
			if says, err := h.Probe(t.Context(), path); err != nil || says != "2.0.0" {
				t.Errorf("it says %q, %v", says, err)
			}
			for dir, mode := range map[string]fs.FileMode{h.dir: 0o700, filepath.Dir(filepath.Dir(want)): 0o700, want: 0o500} {
				if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != mode {
					t.Errorf("%s: %v, %v; want %v", dir, info.Mode(), err, mode)
				}
			}
			h.clean(t, "2.0.0")
		})
	}
}

// A signature says who made an archive, not that it may write where it likes.
func TestFetch_archivesThatReachOut(t *testing.T) {
	t.Parallel()
	program := member{name: "pipedai-worker", body: script("1.0.0"), mode: 0o755}
	plain := func(names ...string) []member {
		all := []member{program}
		for _, n := range names {
			all = append(all, member{name: n, body: []byte("x"), mode: 0o644})
		}
		return all
	}
	bomb := make([]byte, 300<<20)
	many := make([]string, 10_001)
	for i := range many {
		many[i] = "f" + strconv.Itoa(i)
	}
	for name, members := range map[string][]member{
		"a step up":           plain("../evil"),
		"a step up inside":    plain("a/../../evil"),
		"absolute":            plain("/tmp/evil"),
		"a backslash":         plain(`..\evil`),
		"a drive":             plain("C:/evil"),
		"a stream":            plain("a:b"),
		"a device of Windows": plain("aux.txt"),
		"ends in a dot":       plain("a."),
		"a control character": plain("a\nb"),
		"twice":               plain("a", "a"),
		"twice in other case": plain("a", "A"),
		"a file and a folder": plain("a", "a/b"),
		"a folder and a file": plain("a/b", "a"),
		"folders by case":     plain("a/b", "A/c"),
		"too deep":            plain(strings.Repeat("a/", 30) + "b"),
		"too long":            plain(strings.Repeat("a", 401)),
		"too many":            plain(many...),
		"a bomb":              {program, {name: "bomb", body: bomb, mode: 0o644}},
		"no program":          {{name: "something", body: script("1.0.0"), mode: 0o755}},
		"two programs":        plain("b/x", "c/x")[1:],
		"a link":              {program, {name: "l", kind: '2', link: "/etc/passwd"}},
		"the program, a link": {{name: "pipedai-worker", kind: '2', link: "/bin/sh", mode: 0o755}},
	} {
		if name == "two programs" {
			members = []member{{name: "b/pipedai-worker", body: program.body, mode: 0o755}, {name: "c/pipedai-worker", body: program.body, mode: 0o755}}
		}
		zips := zipped(t, members...)
		tars := tarGz(t, members...)
		refuse(t, name+", tar.gz", release.FormatTarGz, tars)
		refuse(t, name+", zip", release.FormatZip, zips)
	}
	for name, m := range map[string]member{
		"a hard link": {name: "l", kind: '1', link: "pipedai-worker"},
		"a device":    {name: "d", kind: '3'},
		"a pipe":      {name: "p", kind: '6'},
	} {
		refuse(t, name, release.FormatTarGz, tarGz(t, program, m))
	}
	refuse(t, "no archive, tar.gz", release.FormatTarGz, script("1.0.0"))
	refuse(t, "no archive, zip", release.FormatZip, script("1.0.0"))
	whole := tarGz(t, program)
	refuse(t, "cut off", release.FormatTarGz, whole[:len(whole)-6])
}

// refuse fails unless the archive is refused and leaves nothing anywhere.
func refuse(t *testing.T, name, format string, data []byte) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		p := newPlane(t)
		h := newHost(t, p, nil)
		p.publish(t, made(api.ProgramWorker, "1.0.0", 1, format, data), data)
		_, err := h.install(t.Context(), h.want(""))
		wantCode(t, err, api.CodeBadArchive)
		h.clean(t)
		if _, err := os.Stat(filepath.Join(filepath.Dir(h.dir), "evil")); err == nil {
			t.Error("it wrote outside of its folder")
		}
	})
}
