//go:build unix

package upgrade_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipedai/api"
	"pipedai/internal/release"
	"pipedai/manifest"
	"pipedai/upgrade"
)

// installAndDie is the child that installs, and dies where it is told.
func installAndDie() int {
	ctx, home := context.Background(), os.Getenv("UPGRADE_TEST_INSTALL")
	records, err := manifest.Open(ctx, filepath.Join(home, "manifest.db"))
	if err != nil {
		fmt.Println(err)
		return 2
	}
	defer func() { _ = records.Close() }()
	o := upgrade.Options{Dir: filepath.Join(home, "versions"), Records: records,
		Dial: func(url string) (upgrade.Source, error) { return upgrade.NewSource(url, "", "test"), nil }}
	o.Tune(nil, 0, func(point string) {
		if point == os.Getenv("UPGRADE_TEST_POINT") {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	if os.Getenv("UPGRADE_TEST_POINT") == "full" {
		signal.Ignore(syscall.SIGXFSZ)
		_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 512 << 10, Max: 512 << 10})
	}
	u := upgrade.New(o)
	found, err := u.Find(ctx, upgrade.Wanted{APIURL: os.Getenv("UPGRADE_TEST_PLANE"), Program: api.ProgramWorker})
	if err == nil {
		_, err = u.Fetch(ctx, found, nil)
	}
	if err == nil {
		err = u.Remove(ctx, api.ProgramWorker, found.Version, nil)
	}
	var answer *api.Error
	if errors.As(err, &answer) {
		fmt.Println(answer.Code)
	}
	fmt.Println(err)
	return 1
}

func TestFetch_diskFull(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	h := newHost(t, p, nil)
	big := append(script("1.0.0"), bytes.Repeat([]byte("#"), 1<<20)...)
	p.publish(t, made(api.ProgramWorker, "1.0.0", 1, release.FormatBinary, big), big)
	out, err := self(t, "UPGRADE_TEST_INSTALL="+filepath.Dir(h.dir), "UPGRADE_TEST_PLANE="+p.URL, "UPGRADE_TEST_POINT=full").CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), api.CodeDiskFull+"\n") || !strings.Contains(string(out), "make room") {
		t.Fatalf("the child ended with %v and said: %s", err, out)
	}
	h.clean(t)
}

// evil is what an attacker would like to have run.
const evil = "#!/bin/sh\necho 6.6.6\n"

// attack exchanges every file it can reach, until it is killed.
func attack(dir string) int {
	fmt.Println("ready")
	for {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") || strings.HasSuffix(path, ".evil") {
				return nil
			}
			if os.WriteFile(path+".evil", []byte(evil), 0o700) == nil {
				_ = os.Rename(path+".evil", path)
			}
			if os.Chmod(path, 0o700) == nil {
				_ = os.WriteFile(path, []byte(evil), 0o700)
			}
			return nil
		})
	}
}

// Somebody exchanges files all the while: another user changes nothing, and what
// the same user changed is never taken for what was installed.
func TestUpgrade_U7_filesExchangedUnderway(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"the same user", "another user"} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			if who == "another user" && os.Geteuid() != 0 {
				t.Skip("only root can be another user")
			}
			p := newPlane(t)
			h := newHost(t, p, nil)
			// Others may look for it up to the folder that is ours alone.
			for dir := filepath.Dir(h.dir); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
				_ = os.Chmod(dir, 0o755)
			}
			attacker := self(t, "UPGRADE_TEST_ATTACK="+h.dir)
			if who == "another user" {
				// It has to be able to run the program of this test.
				program := filepath.Join(t.TempDir(), "attacker")
				data, err := os.ReadFile(attacker.Path)
				if err == nil {
					err = errors.Join(os.WriteFile(program, data, 0o755), os.Chmod(filepath.Dir(program), 0o755), os.Chmod(filepath.Dir(filepath.Dir(program)), 0o755))
				}
				if err != nil {
					t.Fatal(err)
				}
				attacker.Path, attacker.Dir = program, "/"
				attacker.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			ready, err := attacker.StdoutPipe()
			if err == nil {
				err = attacker.Start()
			}
			if err == nil {
				_, err = ready.Read(make([]byte, 6))
			}
			if err != nil {
				t.Fatal(err)
			}
			over := false
			stop := func() {
				if !over {
					over = true
					_ = attacker.Process.Kill()
					_ = attacker.Wait()
				}
			}
			defer stop()

			good, refused := 0, 0
			var versions []string
			for i := range 25 {
				version := fmt.Sprintf("1.%d.0", i)
				data := tarGz(t, member{name: "pipedai-worker", body: script(version), mode: 0o755}, member{name: "part", body: bytes.Repeat([]byte("x"), 200_000), mode: 0o644})
				p.publish(t, made(api.ProgramWorker, version, int64(i+1), release.FormatTarGz, data), data)
				if _, err := h.install(t.Context(), h.want(version)); err == nil {
					versions = append(versions, version)
				} else if who == "another user" {
					t.Errorf("install %s: %v", version, err)
				} else {
					refused++
				}
			}
			stop()
			for _, version := range versions {
				path, err := h.Program(t.Context(), api.ProgramWorker, version)
				if err != nil {
					if who == "another user" {
						t.Errorf("start %s: %v", version, err)
					}
					refused++
					continue
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				out, err := exec.CommandContext(ctx, path).Output()
				cancel()
				if err != nil || strings.TrimSpace(string(out)) != version {
					t.Errorf("%s was started and said %q, %v", version, out, err)
				}
				good++
			}
			t.Logf("%d started, %d refused", good, refused)
			if who == "the same user" && refused == 0 {
				t.Error("the attacker never got there: this proves nothing")
			}
		})
	}
}
