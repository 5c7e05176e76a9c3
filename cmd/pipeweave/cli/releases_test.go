package cli

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pipedai/api"
	"pipedai/internal/cliutil"
)

// elf is the beginning of a program for Linux.
func elf(machine uint16, more string) []byte {
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(head[18:], machine)
	return slices.Concat(head, []byte(more))
}

const (
	amd64 = 62
	arm64 = 183
)

func pe(more string) []byte {
	head := make([]byte, 256)
	copy(head, "MZ")
	binary.LittleEndian.PutUint32(head[60:], 128)
	copy(head[128:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(head[132:], 0x8664)
	return slices.Concat(head, []byte(more))
}

// tarGz packs files; an empty content makes a link.
func tarGz(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	w := tar.NewWriter(packed)
	for name, content := range files {
		h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if len(content) == 0 {
			h.Typeflag, h.Linkname = tar.TypeSymlink, "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(content)
	}
	_ = w.Close()
	_ = packed.Close()
	return out.Bytes()
}

func zipped(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, content := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write(content)
	}
	_ = w.Close()
	return out.Bytes()
}

func put(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// step is a command and what it must end with.
type step struct {
	args []string
	code int
	want string
}

func (s *shell) steps(steps ...step) {
	s.t.Helper()
	for _, step := range steps {
		code, out, errs := s.run(step.args...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			s.t.Errorf("%v: got %d\n%s%swant %d %q", step.args, code, out, errs, step.code, step.want)
		}
	}
}

func words(text string) []string { return strings.Fields(text) }

// dist makes a folder as release tools do.
func dist(t testing.TB, version string) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "pipedai-worker_"+version+"_linux_amd64.tar.gz", tarGz(t, map[string][]byte{"pipedai-worker": elf(amd64, version), "README.md": []byte("read me")}))
	put(t, dir, "pipedai-worker_"+version+"_windows_amd64.zip", zipped(t, map[string][]byte{"pipedai-worker.exe": pe(version)}))
	put(t, dir, "pipedai-worker_"+version+"_linux_arm64", elf(arm64, version))
	put(t, dir, "pipedai-orchestrator_"+version+"_linux_amd64", elf(amd64, "o"+version))
	put(t, dir, "checksums.txt", []byte("not a program"))
	return dir
}

// TestReleases: from a new key to a yanked release.
func TestReleases(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	_, _, _, stop := s.serve()
	defer stop()
	keys := t.TempDir()
	key, next := filepath.Join(keys, "release.key"), filepath.Join(keys, "next.key")
	one, two := dist(t, "1.0.0"), dist(t, "1.10.0")

	code, out, errs := s.run("releases", "keygen", key)
	if code != 0 || !strings.Contains(out, "Next: pipeweave releases keys set --key "+key) {
		t.Fatalf("keygen: %d %s%s", code, out, errs)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	private, err := os.ReadFile(key)
	if err != nil || strings.Contains(out, strings.Split(string(private), "\n")[1]) {
		t.Errorf("the private half is shown: %s", out)
	}
	s.steps(
		step{words("releases keygen " + key), cliutil.ExitConflict, "is left as it is"},
		step{words("releases list"), 0, "No releases. Publish one with"},
		step{words("releases keys"), 0, "No release key is set"},
		step{words("releases publish " + one + " --key " + key), cliutil.ExitConflict, "has no release key yet"},
		step{words("releases keys set --key " + key), 0, "signs releases from now on"},
		step{words("releases keys set --key " + key), 0, "signs releases from now on"},
		step{words("releases publish " + one + " --key " + key + " --channel beta --dry-run"), 0, "would be signed by key"},
		step{words("releases list"), 0, "No releases."},
		step{words("releases publish " + one + " --key " + key + " --channel beta --notes first"), 0, "pipedai-worker 1.0.0 on beta is published, sequence 1"},
		step{words("releases publish " + one + " --key " + key + " --channel beta --notes first"), 0, "pipedai-worker 1.0.0 on beta is published already."},
		step{words("releases promote pipedai-worker 1.0.0 --from beta --key " + key), 0, "pipedai-worker 1.0.0 is on stable, sequence 1"},
		step{words("releases promote pipedai-worker 1.0.0 --from beta --key " + key), 0, "is on stable already"},
		step{words("releases promote pipedai-worker 3.0.0 --key " + key), 1, "is on no other channel"},
		step{words("releases publish " + two + " --program pipedai-worker --key " + key), 0, "pipedai-worker 1.10.0 on stable is published, sequence 2"},
		step{words("releases show pipedai-worker"), 0, "pipedai-worker 1.10.0 on stable, published"},
		step{words("releases show pipedai-worker 1.0.0 --channel beta"), 0, "Notes:    first"},
		step{words("releases show pipedai-orchestrator 9.9.9"), 1, `there is no release "pipedai-orchestrator 9.9.9"`},
		step{words("releases renew --key " + key), 0, "Nothing has to be signed again."},
		step{words("releases renew pipedai-worker 1.0.0 --channel beta --key " + key), 0, "on beta: sequence 2"},
		step{words("releases yank pipedai-worker 1.10.0"), cliutil.ExitUsage, "reason"},
		step{append(words("releases yank pipedai-worker 1.10.0 --reason"), "crashes at night"), 0, "The newest on stable is 1.0.0 now."},
		step{words("releases publish " + two + " --program pipedai-worker --key " + key), cliutil.ExitConflict, "was yanked"},
		step{words("releases promote pipedai-worker 1.10.0 --to beta --key " + key), cliutil.ExitConflict, "crashes at night"},
		step{words("releases list --program pipedai-worker"), 0, "yanked"},
	)

	// A new key: what the old one signed is signed again, in the same order.
	s.steps(
		step{words("releases keygen " + next), 0, "Key "},
		step{words("releases keys rotate --old " + next + " --new " + next), cliutil.ExitConflict, "takes what"},
		step{words("releases keys rotate --old " + key + " --new " + next), 0, "releases renew --key " + next},
		step{words("releases keys rotate --old " + key + " --new " + next), 0, "releases renew --key " + next},
		step{words("releases keys"), 0, "replaced"},
		step{words("releases list --channel beta"), 0, "old-key"},
		step{words("releases publish " + one + " --key " + key), cliutil.ExitConflict, "the key given is"},
		step{words("releases renew --key " + next), 0, "pipedai-worker 1.0.0 on stable: sequence 3"},
		step{words("releases show pipedai-worker"), 0, "pipedai-worker 1.0.0 on stable, published"},
	)

	code, out, _ = s.run("releases", "list", "--json")
	var list api.PublishedReleases
	if err := json.Unmarshal([]byte(out), &list); code != 0 || err != nil || len(list.Items) != 4 {
		t.Errorf("list --json: %d %v %s", code, err, out)
	}
}

// TestReleases_key: a key comes from a file, standard input or the environment.
func TestReleases_key(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	_, _, _, stop := s.serve()
	defer stop()
	key := filepath.Join(t.TempDir(), "release.key")
	s.steps(step{words("releases keygen " + key), 0, ""}, step{words("releases keys set"), cliutil.ExitUsage, "no release key is given"})
	private, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := s.runWith(string(private), words("releases keys set --key -")...); code != 0 {
		t.Errorf("from standard input: %d %s%s", code, out, errs)
	}
	s.env[releaseKeyVariable] = string(private)
	folder := dist(t, "1.0.0")
	s.steps(step{words("releases publish " + folder), 0, "is published"})
	s.env[releaseKeyVariable] = "nonsense"
	s.steps(step{words("releases publish " + folder), cliutil.ExitUsage, "not a private release key"})
	delete(s.env, releaseKeyVariable)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	s.steps(step{words("releases publish " + folder + " --key " + key), 0, "others on this machine may read"})
	// Arguments are seen by everybody: a key there is no file.
	code, out, errs := s.run("releases", "publish", folder, "--key", string(private))
	if code != cliutil.ExitUsage {
		t.Errorf("a key as an argument: %d %s%s", code, out, errs)
	}
}

// TestReleases_lostKey: without its private half a key is given up on the
// machine of the database, and a new one begins.
func TestReleases_lostKey(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	_, _, _, stop := s.serve()
	defer stop()
	key, next := filepath.Join(t.TempDir(), "lost.key"), filepath.Join(t.TempDir(), "next.key")
	code, out, _ := s.run("releases", "keygen", key, "--json")
	var made struct{ KeyID string }
	if err := json.Unmarshal([]byte(out), &made); err != nil || code != 0 {
		t.Fatalf("keygen --json: %d %v %s", code, err, out)
	}
	folder := dist(t, "1.0.0")
	s.steps(
		step{words("db forget-release-key " + made.KeyID), cliutil.ExitConflict, "the release key is not"},
		step{words("releases keys set --key " + key), 0, ""},
		step{words("releases publish " + folder + " --key " + key), 0, "is published"},
		step{words("releases keygen " + next), 0, ""},
		step{words("releases keys set --key " + next), cliutil.ExitConflict, "There is a release key"},
		step{words("db forget-release-key 0000000000000000"), cliutil.ExitConflict, "the release key is not"},
		step{words("db forget-release-key " + made.KeyID), 0, "publish again with the next one: 2"},
		step{words("releases keys set --key " + next), 0, "signs releases from now on"},
		step{words("releases list"), 0, "old-key"},
		step{words("releases show pipedai-worker"), 1, "there is no release"},
		step{words("releases renew --key " + next), cliutil.ExitConflict, "not in the history"},
		step{words("releases publish " + folder + " --key " + next), 0, "pipedai-worker 1.0.0 on stable is published, sequence 2"},
	)
}

// TestReleases_files: what a host would have to refuse is not published.
func TestReleases_files(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.env[releaseKeyVariable] = "is not looked at"
	dir := t.TempDir()
	program := put(t, dir, "prog", elf(amd64, "x"))
	named := func(artifact string) []string {
		return append(words("releases publish --program prog --version 1.0.0 --artifact"), artifact)
	}
	huge := filepath.Join(dir, "huge")
	if err := os.WriteFile(huge, elf(amd64, ""), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 5<<30); err != nil {
		t.Fatal(err)
	}
	mixed := dist(t, "1.0.0")
	put(t, mixed, "pipedai-worker_1.0.1_darwin_arm64", []byte{0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1})
	for _, test := range []struct {
		args []string
		want string
	}{
		{words("releases publish"), "name a folder, files, or --artifact"},
		{words("releases publish " + filepath.Join(dir, "none")), "no such file"},
		{words("releases publish " + program), "is not named program_version_os_arch"},
		{words("releases publish " + t.TempDir()), "has no file that is named"},
		{words("releases publish " + mixed), "there are files of pipedai-worker 1.0.0 and of 1.0.1"},
		{named("linux=" + program), "write it as os/arch=path"},
		{named("linux/amd64=" + dir), "is not a file"},
		{named("linux/amd64=" + huge), "an artifact has 1 to"},
		{named("linux/amd64=" + put(t, dir, "empty", nil)), "an artifact has 1 to"},
		{named("linux/amd64=" + put(t, dir, "text", []byte("hello"))), "it is no program"},
		{named("windows/amd64=" + program), "it is a program for linux and not for windows"},
		{named("linux/arm64=" + program), "it is a program for amd64 and not for arm64"},
		{named("linux/amd64=" + put(t, dir, "win.exe", pe("x"))), "it is a program for windows and not for linux"},
		{named("linux/amd64=" + put(t, dir, "a.tar.gz", tarGz(t, map[string][]byte{"other": elf(amd64, "x")}))), "there is no file called prog in it"},
		{named("linux/amd64=" + put(t, dir, "b.tar.gz", tarGz(t, map[string][]byte{"../prog": elf(amd64, "x")}))), "no name for a file below one folder"},
		{named("linux/amd64=" + put(t, dir, "c.tar.gz", tarGz(t, map[string][]byte{"prog": nil}))), "is a link or a device"},
		{named("linux/arm64=" + put(t, dir, "d.tar.gz", tarGz(t, map[string][]byte{"bin/prog": elf(amd64, "x")}))), "for amd64 and not for arm64"},
		{named("linux/amd64=" + put(t, dir, "e.tar.gz", []byte("\x1f\x8bnothing"))), "it is no tar.gz"},
		{named("windows/amd64=" + put(t, dir, "f.zip", zipped(t, map[string][]byte{"prog": pe("x")}))), "there is no file called prog.exe in it"},
		{named("linux/amd64=" + put(t, dir, "g.zip", zipped(t, map[string][]byte{"a/../../prog": elf(amd64, "x")}))), "no name for a file below one folder"},
		{named("linux/amd64=" + put(t, dir, "h.zip", []byte("PK\x03\x04nothing"))), "it is no zip"},
		{named("linux/amd64=" + put(t, dir, "a name", elf(amd64, "x"))), "is not a plain file name"},
		{append(named("linux/amd64="+program), "--artifact", "linux/amd64="+program), "two artifacts for linux/amd64"},
		{append(named("linux/amd64="+program), "--channel", "../x"), "--channel"},
		{append(named("linux/amd64="+program), "--expires-in", "0s"), "a minute is the least"},
		{words("releases publish --program prog --version one --artifact linux/amd64=" + program), "is not a version"},
		{words("releases publish --program ../x --version 1.0.0 --artifact linux/amd64=" + program), "is not named in lower case"},
		{words("releases publish --version 1.0.0 --artifact linux/amd64=" + program), "--program and --version are needed"},
	} {
		code, out, errs := s.run(test.args...)
		if code != cliutil.ExitUsage || !strings.Contains(errs, test.want) || out != "" {
			t.Errorf("%v: got %d\n%s%swant %q", test.args[2:], code, out, errs, test.want)
		}
	}
}

// TestReleases_cut: the connection ends midway; nothing is half visible, and the
// same command goes on where it ended.
func TestReleases_cut(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	_, _, _, stop := s.serve()
	defer stop()
	key := filepath.Join(t.TempDir(), "release.key")
	s.steps(step{words("releases keygen " + key), 0, ""}, step{words("releases keys set --key " + key), 0, ""})
	folder := dist(t, "1.0.0")
	publish := words("releases publish " + folder + " --program pipedai-worker --key " + key)

	var out, errs bytes.Buffer
	d := s.deps("", &out, &errs)
	cut := &cutting{next: d.http.Transport, after: 1}
	d.http = &http.Client{Transport: cut}
	if code := run(t.Context(), publish, d); code != cliutil.ExitNotRunning || !strings.Contains(errs.String(), "run the same command again to go on") {
		t.Fatalf("cut: got %d %s%s", code, &out, &errs)
	}
	s.steps(
		step{words("releases list"), 0, "pending, 2 of 3 missing"},
		step{words("releases show pipedai-worker"), 1, "there is no release"},
		step{publish, 0, "is there\n"},
		step{words("releases show pipedai-worker"), 0, "pipedai-worker 1.0.0 on stable, published"},
	)
	if n := cut.sent.Load(); n < 3 {
		t.Errorf("a broken connection was tried %d times", n)
	}
}

// cutting breaks every upload but the first few, midway.
type cutting struct {
	next  http.RoundTripper
	after int64
	sent  atomic.Int64
}

func (c *cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut && c.sent.Add(1) > c.after {
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 10), brokenBody{}))
	}
	return c.next.RoundTrip(r)
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
